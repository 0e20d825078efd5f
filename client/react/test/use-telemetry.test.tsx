// @vitest-environment jsdom
import type { Telemetry, TelemetryState } from '@convergio/telemetry';
import { TelemetryProvider, useTelemetry } from '@convergio/telemetry-react';
import { act, render, renderHook } from '@testing-library/react';
import { StrictMode } from 'react';
import { expect, test, vi } from 'vitest';
import { cleanStage, telemetry } from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));

cleanStage();

const inside =
  (store: Telemetry) =>
  ({ children }: { children: React.ReactNode }) => (
    <TelemetryProvider telemetry={store}>{children}</TelemetryProvider>
  );

test('a component renders again only when what it selects has changed', () => {
  const store = telemetry();
  const selected = vi.fn((state: TelemetryState) => state.pending);
  let renders = 0;
  const { result } = renderHook(
    () => {
      renders += 1;
      return useTelemetry(selected);
    },
    { wrapper: inside(store) },
  );
  expect(renders).toBe(1);
  selected.mockClear();
  act(() => store.setState({ accepted: 1 }));
  expect(selected).toHaveBeenCalled();
  expect(renders).toBe(1);
  act(() => store.setState({ pending: 2 }));
  expect(renders).toBe(2);
  expect(result.current).toBe(2);
});

test('without a selector it is the whole state, actions included', () => {
  const store = telemetry();
  const { result } = renderHook(() => useTelemetry(), { wrapper: inside(store) });
  expect(result.current).toBe(store.getState());
  result.current.track('navigation', 'page_view');
  expect(store.getState().track).toHaveBeenCalledWith('navigation', 'page_view');
});

test('an action keeps its identity, so it may stand in the dependencies of an effect', () => {
  const store = telemetry();
  const { result, rerender } = renderHook(() => useTelemetry((state) => state.track), {
    wrapper: inside(store),
  });
  const first = result.current;
  act(() => store.setState({ pending: 1 }));
  rerender();
  expect(result.current).toBe(first);
});

test('the nearest provider counts, and one that is passed in counts more', () => {
  const [outer, inner, passed] = [1, 2, 3].map((pending) => telemetry({ pending })) as [
    Telemetry,
    Telemetry,
    Telemetry,
  ];
  const { container } = render(
    <TelemetryProvider telemetry={outer}>
      <TelemetryProvider telemetry={inner}>
        <Pending />
        <Pending telemetry={passed} />
      </TelemetryProvider>
    </TelemetryProvider>,
  );
  expect(container.textContent).toBe('23');
});

test('without any telemetry it says what to do', () => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  expect(() => renderHook(() => useTelemetry((state) => state.pending))).toThrow(
    /put a <TelemetryProvider telemetry=\{…\}> around this, or pass one in/,
  );
});

test('under StrictMode it lets go of the store as often as it takes hold of it', () => {
  const store = telemetry();
  const ends: ReturnType<typeof vi.fn>[] = [];
  vi.spyOn(store, 'subscribe').mockImplementation(() => {
    const end = vi.fn();
    ends.push(end);
    return end;
  });
  const { unmount } = render(
    <StrictMode>
      <TelemetryProvider telemetry={store}>
        <Pending />
      </TelemetryProvider>
    </StrictMode>,
  );
  unmount();
  expect(ends.length).toBeGreaterThan(0);
  for (const end of ends) expect(end).toHaveBeenCalledOnce();
});

function Pending({ telemetry }: { telemetry?: Telemetry }) {
  return <b>{useTelemetry((state) => state.pending, telemetry)}</b>;
}
