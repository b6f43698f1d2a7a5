/** How many pixels are drawn: fewer while things move and drawing is slow, all of them as soon as they rest. */

const SLOW = 32; // frames a second below which the picture becomes coarser
const QUICK = 45; // and above which it becomes finer: then the finer one stays above SLOW
const COARSEST = 0.4;
const JUDGED = 1000; // milliseconds between two changes
const REST = 300; // milliseconds without movement after which all pixels are drawn

/** Pixels per pixel of the page, along a side, that fit so many frames a second. */
export function fitting(sharpness: number, fps: number, finest: number): number {
  const wanted = fps < SLOW ? sharpness * 0.75 : fps > QUICK ? sharpness * 1.15 : sharpness;
  return Math.min(finest, Math.max(COARSEST, wanted));
}

export class Sharpness {
  private moving: number;
  private moved = -Infinity;
  private judged = 0;

  constructor(readonly finest: number) {
    this.moving = finest;
  }

  /** Something moves: `now` in milliseconds, `fps` as measured lately or 0. */
  move(now: number, fps: number): void {
    const began = now - this.moved > REST;
    this.moved = now;
    if (began) this.judged = now; // what was measured before is of another time
    if (now - this.judged < JUDGED || !fps) return;
    this.judged = now;
    this.moving = fitting(this.moving, fps, this.finest);
  }

  /** What is to be drawn now. */
  at(now: number): number {
    return now - this.moved > REST ? this.finest : this.moving;
  }
}
