/** The red frame: what the camera sees, small in the corner or over the whole view, and whom a take will show. */

import { el } from "./dom";
import type { State } from "./state";
import { leavesOut, namesOf, takeOf } from "./taking";

export class Shot {
  /** The frame has become large or small. */
  onSize: () => void = () => {};
  private readonly films = el("p", { class: "films", hidden: true });
  private readonly button = el("button", { type: "button", id: "enlarge", onclick: () => this.toggle() });

  constructor(
    private readonly host: HTMLElement,
    private readonly state: State,
  ) {
    host.append(this.films, this.button);
    state.on("document", () => this.say());
    this.toggle(false);
  }

  get large(): boolean {
    return this.host.classList.contains("large");
  }

  toggle(large = !this.large): void {
    this.host.classList.toggle("large", large);
    this.host.parentElement?.classList.toggle("shot-large", large);
    this.button.textContent = large ? "×" : "⤢";
    this.button.title = large ? "Back to the stage (V or Esc)" : "Enlarge the shot (V)";
    this.button.setAttribute("aria-label", large ? "Back to the stage" : "Enlarge the shot");
    this.onSize();
  }

  /** Pixels of the screen across. */
  get width(): number {
    return Math.round(this.host.clientWidth * Math.min(devicePixelRatio, 2));
  }

  private say(): void {
    const { doc } = this.state;
    const take = takeOf(doc, this.state.usual);
    this.films.hidden = !leavesOut(doc, take);
    const words = `${namesOf(doc, take.people)} alone`;
    if (this.films.textContent !== words) this.films.textContent = words;
  }
}
