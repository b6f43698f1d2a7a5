/** Undo and redo over immutable documents. Changes with one name in quick succession are one step. */

const MOST_STEPS = 200;
const TOGETHER = 800; // milliseconds

export class History<T> {
  private past: T[] = [];
  private future: T[] = [];
  private lastName = "";
  private lastTime = -Infinity;

  constructor(
    private current: T,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  get value(): T {
    return this.current;
  }
  get canUndo(): boolean {
    return this.past.length > 0;
  }
  get canRedo(): boolean {
    return this.future.length > 0;
  }

  /** Takes a new value; `name` says what is being done, "" for something that stands alone. */
  push(value: T, name = ""): void {
    if (value === this.current) return;
    const now = this.clock();
    const goesOn = name !== "" && name === this.lastName && now - this.lastTime < TOGETHER;
    if (!goesOn) {
      this.past.push(this.current);
      if (this.past.length > MOST_STEPS) this.past.shift();
    }
    this.current = value;
    this.future = [];
    this.lastName = name;
    this.lastTime = now;
  }

  undo(): boolean {
    const before = this.past.pop();
    if (before === undefined) return false;
    this.future.push(this.current);
    this.current = before;
    this.lastName = "";
    return true;
  }

  redo(): boolean {
    const after = this.future.pop();
    if (after === undefined) return false;
    this.past.push(this.current);
    this.current = after;
    this.lastName = "";
    return true;
  }

  /** Begins anew, with nothing to undo. */
  reset(value: T): void {
    this.current = value;
    this.past = [];
    this.future = [];
    this.lastName = "";
  }
}
