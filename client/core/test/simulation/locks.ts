type Callback = (lock: Lock | null) => unknown;

interface Wish {
  owner: object;
  grant: () => void;
}

/** Web Locks of one browser: exclusive, first come first served, freed when their owner is gone. */
export class Locks {
  private readonly held = new Map<string, object>();
  private readonly wishes = new Map<string, Wish[]>();
  private readonly gone = new WeakSet<object>();

  of(owner: object): LockManager {
    const request = (name: string, ...rest: [Callback] | [LockOptions, Callback]): Promise<unknown> => {
      const callback = rest.at(-1) as Callback;
      const { ifAvailable } = rest.length === 2 ? (rest[0] as LockOptions) : {};
      return new Promise((resolve, reject) => {
        if (this.gone.has(owner)) return;
        const grant = () => {
          this.held.set(name, owner);
          this.soon(owner, () => {
            Promise.resolve()
              .then(() => callback({ name, mode: 'exclusive' }))
              .then(resolve, reject)
              .finally(() => this.free(name, owner));
          });
        };
        if (!this.held.has(name)) grant();
        else if (ifAvailable) this.soon(owner, () => Promise.resolve(callback(null)).then(resolve, reject));
        else this.wishes.set(name, [...(this.wishes.get(name) ?? []), { owner, grant }]);
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
    for (const [name, holder] of [...this.held]) if (holder === owner) this.free(name, owner);
  }

  private free(name: string, owner: object): void {
    if (this.held.get(name) !== owner) return;
    this.held.delete(name);
    this.wishes.get(name)?.shift()?.grant();
  }

  private soon(owner: object, run: () => void): void {
    setTimeout(() => {
      if (!this.gone.has(owner)) run();
    }, 1);
  }
}
