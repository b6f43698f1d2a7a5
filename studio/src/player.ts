/** A finished take, large, over the view: what it is, its video, what to do with it. The page goes on working around it. */

import { media } from "./access";
import { api } from "./api";
import type { Job } from "./api";
import { el, save } from "./dom";
import { fileName } from "./take_facts";
import "./player.css";

export const FILES: [variant: string, label: string][] = [["video.mp4", "Video"], ["scene.npz", "Scene"], ["motion.bvh", "BVH"], ["motion.glb", "GLB"]];

/** A take as the page names it. */
export interface Shown {
  job: Job;
  number: number;
  title: string;
  about: string;
}

export class Player {
  private readonly box = el("section", { id: "player", "aria-label": "Take", tabindex: -1, hidden: true });
  private before: HTMLElement | null = null;
  private id = "";

  constructor(
    host: HTMLElement,
    private readonly trouble: (error: unknown) => void,
    private readonly actions: { reopen: (job: Job) => void; remove: (job: Job) => void },
  ) {
    host.append(this.box);
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      event.stopPropagation(); // space and arrows are the video's
    });
  }

  /** Whether this take is shown. */
  shows(id: string): boolean {
    return !this.box.hidden && this.id === id;
  }

  /** Opens a take; where it opens by itself, whoever types goes on typing. */
  open(take: Shown, byItself: boolean): void {
    const { job, number, title } = take;
    const base = `v1/videos/${job.id}/content`;
    const video = el("video", { id: "watched", loop: true, controls: true, playsinline: true, "aria-label": `take ${number}` });
    video.muted = true;
    media(`${base}?variant=thumbnail.png`).then((address) => (video.poster = address), () => {});
    media(`${base}?variant=video.mp4`).then((address) => {
      video.src = address;
      return video.play().catch(() => {}); // where the browser wants a click first
    }, this.trouble);
    const notes = ((job.details.notes ?? []) as string[]).slice(0, 6);
    this.box.replaceChildren(
      el("header", {},
        el("h2", {}, `${title || "Untitled"}, take ${number}`),
        el("p", { class: "hint" }, take.about),
        el("button", { type: "button", id: "player-close", "aria-label": "Close the take", title: "Close (Esc)", onclick: () => this.close() }, "✕")),
      video,
      ...(notes.length ? [el("details", {}, el("summary", {}, `Notes (${notes.length})`), el("ul", {}, ...notes.map((note) => el("li", {}, note))))] : []),
      el("div", { class: "buttons", role: "group", "aria-label": "Download" }, el("span", { class: "hint" }, "Download"), ...downloads(take, "", this.trouble)),
      el("div", { class: "buttons" },
        job.request.scene ? el("button", { type: "button", class: "quiet", onclick: () => this.actions.reopen(job) }, "Reopen settings") : null,
        el("button", { type: "button", class: "quiet", onclick: () => this.actions.remove(job) }, "Delete")));
    this.box.setAttribute("aria-label", `Take ${number}`);
    const active = document.activeElement as HTMLElement | null;
    this.before = this.box.hidden ? active : this.before;
    this.box.hidden = false;
    this.id = job.id;
    if (!byItself || !active || active === document.body || active instanceof HTMLButtonElement) this.box.focus({ preventScroll: true });
  }

  close(): void {
    if (this.box.hidden) return;
    const inside = this.box.contains(document.activeElement);
    this.box.hidden = true;
    this.box.replaceChildren();
    if (inside && this.before?.isConnected) this.before.focus();
  }
}

/** One button a file of a take, named after its scene. */
export function downloads({ job, number, title }: Shown, kind: string, trouble: (error: unknown) => void): HTMLElement[] {
  return FILES.filter(([variant]) => variant in job.files).map(([variant, label]) =>
    el("button", { type: "button", class: kind, title: `Download the ${label === "Video" || label === "Scene" ? label.toLowerCase() : label} of take ${number}`, "aria-label": `Download ${label} of take ${number}`,
      onclick: () => void api.file(`v1/videos/${job.id}/content?variant=${variant}`).then((content) => save(fileName(title, `-take-${number}${variant.slice(variant.indexOf("."))}`), content), trouble) }, label));
}
