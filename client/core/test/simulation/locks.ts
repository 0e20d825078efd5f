type Callback = (lock: Lock | null) => unknown;

interface Wish {
  owner: object;
  shared: boolean;
  grant: () => void;
}

/** Web Locks of one browser: first come, first served; shared or exclusive; freed when their owner is gone. */
export class Locks {
  private readonly held = new Map<string, Wish[]>();
  private readonly wishes = new Map<string, Wish[]>();
  private readonly gone = new WeakSet<object>();

  of(owner: object): LockManager {
    const request = (name: string, ...rest: [Callback] | [LockOptions, Callback]): Promise<unknown> => {
      const callback = rest.at(-1) as Callback;
      const { ifAvailable, mode = 'exclusive' } = rest.length === 2 ? (rest[0] as LockOptions) : {};
      return new Promise((resolve, reject) => {
        if (this.gone.has(owner)) return;
        const wish: Wish = {
          owner,
          shared: mode === 'shared',
          grant: () =>
            this.soon(owner, () => {
              Promise.resolve()
                .then(() => callback({ name, mode }))
                .then(resolve, reject)
                .finally(() => this.free(name, wish));
            }),
        };
        if (ifAvailable && !this.isFree(name, wish)) {
          this.soon(owner, () => Promise.resolve(callback(null)).then(resolve, reject));
          return;
        }
        of(this.wishes, name).push(wish);
        this.serve(name);
      });
    };
    return { request, query: async () => ({}) } as LockManager;
  }

  /** The owner is gone: what it holds goes to who waits, and its own wishes are void. */
  freeAll(owner: object): void {
    this.gone.add(owner);
    for (const [name, waiting] of this.wishes) {
      this.wishes.set(
        name,
        waiting.filter((wish) => wish.owner !== owner),
      );
    }
    for (const [name, holders] of this.held) {
      for (const wish of holders.filter((holder) => holder.owner === owner)) this.free(name, wish);
    }
  }

  private isFree(name: string, wish: Wish): boolean {
    const holders = of(this.held, name);
    const fits = holders.length === 0 || (wish.shared && holders.every((holder) => holder.shared));
    return fits && of(this.wishes, name).length === 0;
  }

  private serve(name: string): void {
    const waiting = of(this.wishes, name);
    const holders = of(this.held, name);
    for (let next = waiting[0]; next; next = waiting[0]) {
      if (holders.length > 0 && !(next.shared && holders.every((holder) => holder.shared))) return;
      waiting.shift();
      holders.push(next);
      next.grant();
    }
  }

  private free(name: string, wish: Wish): void {
    const holders = of(this.held, name);
    if (!holders.includes(wish)) return;
    holders.splice(holders.indexOf(wish), 1);
    this.serve(name);
  }

  private soon(owner: object, run: () => void): void {
    setTimeout(() => {
      if (!this.gone.has(owner)) run();
    }, 1);
  }
}

function of(map: Map<string, Wish[]>, name: string): Wish[] {
  const list = map.get(name) ?? [];
  map.set(name, list);
  return list;
}
