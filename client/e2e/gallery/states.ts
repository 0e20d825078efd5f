import { sample } from './sample.js';

export const STATES = [
  'server',
  'newcomer',
  'empty',
  'loading',
  'offline',
  'unreachable',
  'wrong',
  'failed',
  'off',
  'signal',
] as const;

export type State = (typeof STATES)[number];

/** What the server answers in a state; `loading` is an answer that does not come. */
export async function answer(state: State): Promise<Response> {
  switch (state) {
    case 'loading':
      return new Promise(() => {});
    case 'newcomer':
      return new Response(null, { status: 401 });
    case 'unreachable':
    case 'failed':
      throw new TypeError('no network');
    case 'wrong':
      return new Response('<!doctype html><title>Login</title>');
    case 'empty':
    case 'signal':
      return Response.json(sample(0));
    default:
      return Response.json(sample());
  }
}

/** What this browser has counted: a share of the sample, or less than nothing where it cannot count. */
export function counted(state: State): number {
  return state === 'failed' ? -1 : 0.5;
}
