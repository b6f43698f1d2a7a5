/** The picture of the real stage in the red frame, once time stands still. */

import { api } from "./api";
import { FIRST_SHOT } from "./first";
import type { Shot } from "./shot";
import type { State } from "./state";
import { leavesOut, takeOf } from "./taking";

const WIDTH = 288; // pixels at least
const MOST = 768; // pixels of a side that the server draws
const PAUSE = 400; // milliseconds of quiet before it is asked for

export class Still {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;

  constructor(
    private readonly image: HTMLImageElement,
    private readonly state: State,
    private readonly shot: Shot,
    private readonly covered: () => boolean,
  ) {}

  /** Takes away what no longer holds, and asks for what does. */
  ask(): void {
    const { image, state } = this;
    const number = ++this.asked;
    clearTimeout(this.timer);
    if (state.fresh && !state.playing && state.time === 0) {
      if (image.getAttribute("src") !== FIRST_SHOT) image.src = FIRST_SHOT;
      image.hidden = false;
      return;
    }
    if (!image.hidden) image.hidden = true;
    if (this.covered() || state.playing || !state.sceneId || !state.solved || !state.onServer || state.making || state.offline) return;
    this.timer = setTimeout(() => {
      const { aspect } = this.shot;
      const width = Math.round(Math.min(Math.max(WIDTH, this.shot.width), MOST * Math.min(aspect, 1)));
      const take = takeOf(state.doc, state.usual);
      const alone = leavesOut(state.doc, take) ? (take.people[0] ?? null) : null;
      api.still(state.sceneId ?? "", state.time, width, Math.round(width / aspect), alone).then(
        (picture) => {
          if (number !== this.asked || state.playing || this.covered()) return;
          URL.revokeObjectURL(image.src);
          image.src = URL.createObjectURL(picture);
          image.hidden = false;
        },
        () => {
          // the view in 3D stays; the status line tells of a server that is gone
        },
      );
    }, PAUSE);
  }
}
