import { beforeEach, describe, expect, test } from 'vitest';
import { NO_STORAGE, openQueue } from '../src/queue.js';
import { SimulatedBrowser, Tab } from './simulation/browser.js';
import { Gateway } from './simulation/gateway.js';

let browser: SimulatedBrowser;
let storage: Storage;

beforeEach(() => {
  browser = new SimulatedBrowser(new Gateway());
  storage = browser.storageOf(new Tab(browser, {}, {}));
});

const open = (max = 1000) => openQueue(storage, 'convergio:a:', max);

describe('a queue', () => {
  test('keeps events in order, also for who opens it after a crash', () => {
    const queue = open();
    for (let n = 0; n < 12; n++) queue.append(`${n}`);
    expect([...queue.events.values()]).toEqual([...Array(12).keys()].map(String));
    const reopened = open();
    reopened.append('12');
    expect([...reopened.events.values()]).toEqual([...Array(13).keys()].map(String));
  });

  test('is one small write per event, whatever waits already', () => {
    const queue = open();
    queue.append('first');
    const before = new Map(browser.items);
    queue.append('second');
    const changed = [...browser.items].filter(([key, value]) => before.get(key) !== value);
    expect(changed.map(([, value]) => value)).toEqual(['second']);
  });

  test('sheds the oldest beyond its limit and says how many', () => {
    const queue = open(3);
    expect(['a', 'b', 'c', 'd'].map((json) => queue.append(json))).toEqual([0, 0, 0, 1]);
    expect([...queue.events.values()]).toEqual(['b', 'c', 'd']);
    expect([...open().events.values()]).toEqual(['b', 'c', 'd']);
  });

  test('sheds its oldest where storage is full', () => {
    const queue = open();
    queue.append('x'.repeat(50));
    queue.append('y'.repeat(50));
    browser.quota = browser.used;
    expect(queue.append('z'.repeat(60))).toBe(2);
    expect([...queue.events.values()]).toEqual(['z'.repeat(60)]);
  });

  test("lives on in memory where others' data leaves no room at all", () => {
    browser.quota = 0;
    const queue = open();
    expect(['one', 'two'].map((json) => queue.append(json))).toEqual([0, 0]);
    queue.refresh();
    expect([...queue.events.values()]).toEqual(['one', 'two']);
    queue.remove(queue.events.keys());
    expect(queue.events.size).toBe(0);
  });

  test('works without any storage', () => {
    const queue = openQueue(NO_STORAGE, 'convergio:a:', 10);
    queue.append('kept');
    queue.refresh();
    expect([...queue.events.values()]).toEqual(['kept']);
  });

  test('forgets what another tab has taken', () => {
    const queue = open();
    queue.append('a');
    queue.append('b');
    const other = open();
    other.remove([...other.events.keys()].slice(0, 1));
    queue.refresh();
    expect([...queue.events.values()]).toEqual(['b']);
  });
});
