/** The rough take of a user's own picture in the red frame: always the newest moment that the server can draw. */

import { api, ApiError } from "./api";
import type { Query } from "./api";
import { el } from "./dom";
import type { Shot } from "./shot";
import type { State } from "./state";
import { roughQuery, takeOf } from "./taking";

const SIDE = 384; // pixels of the longer side
const LARGE = 768; // where the frame is large and time stands still
const AT_ONCE = 2; // questions: while one frame is on its way, the next one is drawn
const SOON = 400; // milliseconds before it is asked again whether the picture is ready
const PREPARING = "preparing your pictures…";

interface Asked {
  scene: string;
  /** The pictures, to tell others from them. */
  picture: string;
  query: Query;
}

export class RoughView {
  /** Frames shown in the last whole second in which any came. */
  fps = 0;
  private readonly canvas = el("canvas", { id: "rough", hidden: true, role: "img", "aria-label": "The rough take through the camera" });
  private readonly caption = el("figcaption", { hidden: true, role: "status" });
  /** What the frame on the canvas was asked by, what is being asked, and what the server cannot show. */
  private shown = "";
  private readonly asking = new Set<string>();
  private refused = "";
  /** The picture, and what is said about it, of which a frame has come. */
  private ready = "";
  /** The picture on the canvas. */
  private picture: string | null = null;
  /** How often the scene was made anew, which the same question then asks about. */
  private made = 0;
  /** Questions so far, and the number of the one that was answered last. */
  private asked = 0;
  private answered = 0;
  private count = 0;
  private since = performance.now();

  constructor(
    host: HTMLElement,
    private readonly state: State,
    private readonly shot: Shot,
    private readonly onCover: (covers: boolean) => void,
  ) {
    host.append(this.canvas, this.caption);
    for (const change of ["document", "scene"] as const)
      state.on(change, () => {
        this.refused = "";
        if (change === "scene") this.made++;
        this.ask();
      });
  }

  /** Whether a frame of it is shown. */
  get covers(): boolean {
    return !this.canvas.hidden;
  }

  /** Shows the present moment, as soon as the server has answered what was asked before. */
  ask(): void {
    const now = this.wanted();
    if (!now) this.say("");
    if (this.picture !== null && now?.picture !== this.picture) this.uncover();
    if (!now) return;
    const key = `${this.made} ${JSON.stringify(now)}`;
    const about = this.about(now);
    if (key === this.shown || about === this.refused || this.asking.has(key)) return;
    if (this.asking.size >= (about === this.ready ? AT_ONCE : 1)) return;
    if (about !== this.ready) this.say(PREPARING);
    this.asking.add(key);
    void this.answer(now, key, ++this.asked).then((pause) => {
      const go = (): void => {
        this.asking.delete(key);
        this.ask();
      };
      if (pause) setTimeout(go, pause);
      else go();
    });
  }

  /** What the red frame should show; null where nobody's own picture is filmed or nothing can be asked. */
  private wanted(): Asked | null {
    const { doc, sceneId, solved, offline, onServer, time, playing } = this.state;
    const take = takeOf(doc, this.state.usual);
    if (take.kind !== "rough" || !sceneId || !solved || offline || !onServer || take.people.some((i) => !solved.people[i])) return null;
    const frame = Math.round(time * solved.fps) / solved.fps;
    const asked = roughQuery(doc, take);
    return { scene: sceneId, picture: String(asked.picture), query: { ...asked, time: +frame.toFixed(3), side: this.shot.large && !playing ? LARGE : SIDE } };
  }

  private about({ query: { time: _, side: __, ...rest } }: Asked): string {
    return JSON.stringify(rest);
  }

  /** Asks once; returns how long to wait before the next question, in milliseconds. */
  private async answer(now: Asked, key: string, number: number): Promise<number> {
    try {
      const frame = await api.rough(now.scene, now.query);
      if (frame === "preparing") {
        this.ready = ""; // also where the server has put away what was ready
        this.say(PREPARING);
        return SOON;
      }
      if (frame && number > this.answered) {
        this.answered = number;
        this.ready = this.about(now);
        await this.show(frame, now);
        this.shown = key;
      }
      return 0;
    } catch (error) {
      const passes = error instanceof ApiError && [0, 409, 429].includes(error.status);
      if (passes) return 2 * SOON; // not made yet, or the server is gone: the status line tells
      this.refused = this.about(now);
      this.uncover();
      this.say(error instanceof ApiError ? error.message : String(error));
      return 0;
    }
  }

  private async show(frame: Blob, now: Asked): Promise<void> {
    const bitmap = await createImageBitmap(frame);
    const wanted = this.wanted();
    if (wanted?.picture !== now.picture) return bitmap.close();
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.picture = now.picture;
    this.say("");
    if (canvas.hidden) {
      canvas.hidden = false;
      this.onCover(true);
    }
    this.shot.showOwn(canvas.width / canvas.height);
    this.measure();
  }

  private uncover(): void {
    this.shown = "";
    if (this.canvas.hidden) return;
    this.canvas.hidden = true;
    this.picture = null;
    this.shot.showOwn(null);
    this.onCover(false);
  }

  private say(words: string): void {
    if (this.caption.textContent !== words) this.caption.textContent = words;
    this.caption.hidden = !words;
  }

  private measure(): void {
    const now = performance.now();
    if (now - this.since > 2000) [this.count, this.since] = [0, now]; // it stood still
    this.count++;
    if (now - this.since < 1000) return;
    this.fps = (1000 * this.count) / (now - this.since);
    this.count = 0;
    this.since = now;
  }
}
