// @vitest-environment jsdom
import { localStatistics } from '@convergio/telemetry';
import { StatisticsPage } from '@convergio/telemetry-react';
import { act, fireEvent, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { cleanStage, emptyWeek, server, settle, show, telemetry, week } from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));

beforeAll(() => {
  // What jsdom lacks of a dialog; the real one is tested in a real browser.
  HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
    this.open = false;
  };
});

cleanStage();
beforeEach(() => {
  deletion.mockReset();
  vi.mocked(localStatistics).mockReturnValue(emptyWeek());
});

const open = () => screen.getByRole('button', { name: 'Delete my data…' });
const dialog = () => document.querySelector('dialog');
const deletion = vi.fn<() => Promise<void>>();

test('nothing is deleted before it is confirmed, and the focus is on the way out', async () => {
  await show(<StatisticsPage telemetry={telemetry({ deleteMyData: deletion })} fetch={server().fetch} />);
  await userEvent.click(open());
  expect(dialog()?.open).toBe(true);
  expect(screen.getByRole('dialog', { name: 'Delete all your data?' })).toBe(dialog());
  expect(document.activeElement?.textContent).toBe('Cancel');
  expect(deletion).not.toHaveBeenCalled();
});

test.each([
  ['Cancel', () => userEvent.click(screen.getByRole('button', { name: 'Cancel' }))],
  // The browser turns Escape into this event.
  ['Escape', () => fireEvent(dialog() as Element, new Event('cancel', { cancelable: true }))],
])('%s closes the question, deletes nothing and gives the focus back', async (_way, leave) => {
  await show(<StatisticsPage telemetry={telemetry({ deleteMyData: deletion })} fetch={server().fetch} />);
  await userEvent.click(open());
  await leave();
  expect(dialog()?.open).toBe(false);
  expect(document.activeElement).toBe(open());
  expect(deletion).not.toHaveBeenCalled();
});

test('deleting empties the page at once, says so, and asks the server when it has caught up', async () => {
  vi.useFakeTimers();
  const { fetch, requests } = server();
  deletion.mockResolvedValue();
  render(<StatisticsPage telemetry={telemetry({ deleteMyData: deletion })} fetch={fetch} />);
  await act(() => vi.advanceTimersByTimeAsync(0));
  fireEvent.click(open());
  fireEvent.click(screen.getByRole('button', { name: 'Delete everything' }));
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(deletion).toHaveBeenCalledOnce();
  expect(dialog()?.open).toBe(false);
  expect(screen.getByText('Your data has been deleted.').getAttribute('role')).toBe('status');
  expect(screen.getByRole('heading', { name: 'Nothing here yet' })).toBeDefined();
  expect(document.activeElement).toBe(open());
  expect(requests).toHaveLength(1);
  await act(() => vi.advanceTimersByTimeAsync(2_000));
  expect(requests).toHaveLength(2);
});

test('an answer that was under way while the data was deleted does not bring it back', async () => {
  const answers: ((response: Response) => void)[] = [];
  const fetch = () => new Promise<Response>((resolve) => answers.push(resolve));
  deletion.mockResolvedValue();
  await show(<StatisticsPage telemetry={telemetry({ deleteMyData: deletion })} fetch={fetch} />);
  await userEvent.click(open());
  await userEvent.click(screen.getByRole('button', { name: 'Delete everything' }));
  await settle();
  answers[0]?.(Response.json(week()));
  await settle();
  expect(screen.getByRole('heading', { name: 'Nothing here yet' })).toBeDefined();
});

test('a deletion that fails is told as an alert, and the numbers stay', async () => {
  deletion.mockRejectedValue(new Error('try again'));
  await show(<StatisticsPage telemetry={telemetry({ deleteMyData: deletion })} fetch={server().fetch} />);
  await userEvent.click(open());
  await userEvent.click(screen.getByRole('button', { name: 'Delete everything' }));
  await settle();
  expect(screen.getByRole('alert').textContent).toMatch(/^Your data could not be deleted/);
  expect(dialog()?.open).toBe(false);
  expect(screen.getByRole('img', { name: 'Engagement: 62 of 100.' })).toBeDefined();

  await userEvent.click(open());
  expect(screen.getByRole('alert', { hidden: true }).textContent).toBe('');
});

test('while it is under way it can be neither cancelled nor started again', async () => {
  deletion.mockReturnValue(new Promise(() => {}));
  await show(<StatisticsPage telemetry={telemetry({ deleteMyData: deletion })} fetch={server().fetch} />);
  await userEvent.click(open());
  await userEvent.click(screen.getByRole('button', { name: 'Delete everything' }));
  await userEvent.click(screen.getByRole('button', { name: 'Deleting…' }));
  fireEvent(dialog() as Element, new Event('cancel', { cancelable: true }));
  expect(deletion).toHaveBeenCalledOnce();
  expect(dialog()?.open).toBe(true);
  expect((screen.getByRole('button', { name: 'Cancel' }) as HTMLButtonElement).disabled).toBe(true);
});
