/** The takes: videos being made and made, and two of them side by side. */

import { forget, media, picture } from "./access";
import { api, ApiError, follow } from "./api";
import type { Job } from "./api";
import { el } from "./dom";
import { downloads, Player } from "./player";
import type { Shown } from "./player";
import type { State } from "./state";
import { about, isOver, madeBy, secondsLeft } from "./take_facts";

const PREVIEW_EVERY = 1200; // milliseconds
const PREVIEWED = 30; // per cent after which a take may have a preview
const REGRET = 8000; // milliseconds in which a deleted take comes back

export class Takes {
  private jobs: Job[] = [];
  private readonly followed = new Map<string, () => void>();
  private readonly chosen = new Set<string>();
  /** Takes that were filmed in this page: they open when they are done. */
  private readonly awaited = new Set<string>();
  /** Since when the page has seen a take being made, by the page's own clock. */
  private readonly begun = new Map<string, number>();
  /** Deleted takes, until it is too late to be sorry. */
  private readonly going = new Map<string, ReturnType<typeof setTimeout>>();
  /** Titles of the scenes that takes were made from. */
  private readonly titles = new Map<string, string>();
  private readonly player: Player;
  /** Cards as they were drawn last: one that has not changed stays, and its video goes on playing. */
  private cards = new Map<string, { content: string; card: HTMLElement }>();
  private readonly list = el("ol", { class: "takes", "aria-label": "Takes" });
  private readonly compareButton = el("button", { type: "button", id: "compare", onclick: () => this.compare() }, "Compare two");
  private readonly dialog = el("dialog", { class: "compare" });

  constructor(
    host: HTMLElement,
    private readonly state: State,
    private readonly onReopen: (take: Job) => void,
  ) {
    host.append(el("header", {}, el("h2", {}, "Takes"), this.compareButton), this.list);
    document.body.append(this.dialog);
    this.player = new Player(host.parentElement ?? document.body, this.trouble, { reopen: onReopen, remove: (job) => this.remove(job) });
    setInterval(() => this.count(), 1000);
    this.dialog.addEventListener("close", () => this.dialog.replaceChildren());
    this.draw();
  }

  /** Looks at what the server has, and follows what is not finished. */
  async refresh(): Promise<void> {
    const page = await api.list("video");
    this.jobs = page.data;
    for (const job of this.jobs) if (!isOver(job)) this.follow(job);
    this.draw();
    void this.name();
  }

  /** A take that was asked for in this page. */
  add(job: Job, title: string): void {
    this.titles.set(String(job.request.scene), title);
    this.awaited.add(job.id);
    this.jobs = [job, ...this.jobs.filter((j) => j.id !== job.id)];
    this.follow(job);
    this.draw();
  }

  private follow(job: Job): void {
    if (this.followed.has(job.id)) return;
    const stop = follow(job, (now) => {
      this.jobs = now ? this.jobs.map((j) => (j.id === now.id ? now : j)) : this.jobs.filter((j) => j.id !== job.id);
      if (!now || isOver(now)) this.followed.delete(job.id);
      this.draw();
      if (now?.status === "completed" && this.awaited.delete(now.id) && !document.querySelector("dialog[open]")) this.player.open(this.shown(now), true);
    });
    this.followed.set(job.id, stop);
  }

  /** A take with its number and title. */
  private shown(job: Job): Shown {
    const number = this.jobs.length - this.jobs.findIndex((j) => j.id === job.id);
    return { job, number, title: this.titles.get(String(job.request.scene)) ?? "", about: about(job, this.state.catalogue?.default_model ?? "") };
  }

  /** Looks up from which scenes the takes are; one whose scene is gone keeps its number alone. */
  private async name(): Promise<void> {
    for (const id of new Set(this.jobs.map((job) => String(job.request.scene ?? "")))) {
      if (!id || this.titles.has(id)) continue;
      const scene = await api.job("scene", id).catch(() => null);
      this.titles.set(id, String(scene?.request.title ?? ""));
    }
    this.draw();
  }

  /** Says how long every take that is being made still takes. */
  private count(): void {
    const usual = this.state.catalogue?.default_model ?? "";
    for (const job of this.jobs) {
      if (job.status !== "in_progress") continue;
      const since = this.begun.get(job.id) ?? performance.now();
      this.begun.set(job.id, since);
      const left = secondsLeft(job, (performance.now() - since) / 1000, this.jobs, usual);
      const place = this.list.querySelector(`[data-take="${job.id}"] .left`);
      if (place) place.textContent = left === null ? "" : `about ${left} s left`;
    }
  }

  private draw(): void {
    this.compareButton.disabled = this.chosen.size !== 2;
    for (const [id, { card }] of this.cards) {
      const choose = card.querySelector<HTMLInputElement>("input");
      if (choose) choose.checked = this.chosen.has(id);
    }
    if (!this.jobs.length) {
      this.list.replaceChildren(el("li", { class: "empty" }, "No takes yet. Direct the scene, then film it."));
      return;
    }
    const before = this.cards;
    this.cards = new Map();
    this.jobs.forEach((job, i) => {
      const number = this.jobs.length - i;
      const content = JSON.stringify([number, job.status, job.progress, job.stage, job.queue_position, this.going.has(job.id), this.titles.get(String(job.request.scene))]);
      const known = before.get(job.id);
      this.cards.set(job.id, known?.content === content ? known : { content, card: this.card(job, number) });
    });
    this.count();
    const cards = [...this.cards.values()].map(({ card }) => card);
    if (cards.length !== this.list.children.length || cards.some((card, i) => card !== this.list.children[i])) this.put(cards);
  }

  /** Only what has changed is taken out and put in: whatever has the focus keeps it. */
  private put(cards: HTMLElement[]): void {
    for (const child of [...this.list.children]) if (!cards.includes(child as HTMLElement)) child.remove();
    cards.forEach((card, i) => {
      if (this.list.children[i] !== card) this.list.insertBefore(card, this.list.children[i] ?? null);
    });
  }

  private card(job: Job, number: number): HTMLElement {
    if (this.going.has(job.id)) return this.farewell(job, number);
    const done = job.status === "completed";
    const base = `v1/videos/${job.id}/content`;
    const take = this.shown(job);
    let shown: HTMLElement;
    if (done) {
      const video = el("video", { muted: true, loop: true, playsinline: true });
      media(`${base}?variant=thumbnail.png`).then((address) => (video.poster = address), () => {});
      whenSeen(video, () => void media(`${base}?variant=video.mp4`).then((address) => (video.src = address), this.trouble));
      shown = el("button", { type: "button", class: "thumb", title: "Watch it", "aria-label": `Watch take ${number}`, onclick: () => this.player.open(this.shown(job), false) }, video);
    } else if (job.progress > PREVIEWED) {
      shown = picture(`${base}?variant=preview.png&at=${Math.floor(Date.now() / PREVIEW_EVERY)}`);
    } else {
      shown = el("img", { alt: "" });
    }
    const state = done ? take.about : job.status === "failed" ? (job.error?.message ?? "failed") : job.status === "queued" ? `waiting${job.queue_position ? `, ${job.queue_position} before it` : ""}` : `${madeBy(job, this.state.catalogue?.default_model ?? "")}: ${job.stage} ${job.progress} %`;
    const choose = el("input", { type: "checkbox", "aria-label": `choose take ${number} for comparison`, onchange: () => {
      if (choose.checked) this.chosen.add(job.id);
      else this.chosen.delete(job.id);
      if (this.chosen.size > 2) this.chosen.delete(this.chosen.values().next().value ?? "");
      this.draw();
    } });
    choose.checked = this.chosen.has(job.id);
    return el("li", { class: job.status, "data-take": job.id },
      shown,
      el("div", { class: "about" },
        el("div", { class: "line" }, done ? choose : null, el("strong", {}, take.title ? `${take.title}, take ${number}` : `Take ${number}`), el("small", {}, new Date(1000 * job.created_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }))),
        isOver(job) ? null : el("progress", { max: 100, value: job.progress, "aria-label": `progress of take ${number}` }),
        el("p", { class: job.status === "failed" ? "wrong" : "" }, state),
        isOver(job) ? null : el("p", { class: "left" }),
        done ? el("div", { class: "line" }, ...downloads(take, "link", this.trouble)) : null,
        el("div", { class: "line" },
          job.request.scene ? el("button", { type: "button", class: "quiet", onclick: () => this.onReopen(job) }, "Reopen settings") : null,
          el("button", { type: "button", class: "quiet", onclick: () => this.remove(job) }, isOver(job) ? "Delete" : "Cancel"))));
  }

  private farewell(job: Job, number: number): HTMLElement {
    return el("li", { class: "empty gone", "data-take": job.id }, el("span", { role: "status" }, `Take ${number} is deleted.`),
      el("button", { type: "button", class: "undo-delete", "aria-label": `Bring take ${number} back`, onclick: () => this.restore(job) }, "Undo"));
  }

  /** Deletes a finished take after a while in which it can be brought back; one that is being made ends at once. */
  private remove(job: Job): void {
    if (this.player.shows(job.id)) this.player.close();
    if (!isOver(job)) return void this.removeNow(job);
    this.going.set(job.id, setTimeout(() => void this.removeNow(job), REGRET));
    this.chosen.delete(job.id);
    this.draw();
    this.list.querySelector<HTMLElement>(`[data-take="${job.id}"] button`)?.focus();
  }

  private restore(job: Job): void {
    clearTimeout(this.going.get(job.id));
    this.going.delete(job.id);
    this.draw();
    this.list.querySelector<HTMLElement>(`[data-take="${job.id}"] button`)?.focus();
  }

  private async removeNow(job: Job): Promise<void> {
    try {
      await api.remove("video", job.id);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) {
        this.restore(job);
        this.trouble(error);
        return;
      }
    }
    this.going.delete(job.id);
    this.followed.get(job.id)?.();
    this.followed.delete(job.id);
    this.chosen.delete(job.id);
    forget(`v1/videos/${job.id}/`);
    this.jobs = this.jobs.filter((j) => j.id !== job.id);
    this.draw();
  }

  private readonly trouble = (error: unknown): void => {
    this.state.problem = error instanceof Error ? error.message : String(error);
    this.state.say("status");
  };

  /** Both takes with one play button and one slider: the second follows the first. */
  private compare(): void {
    const ids = [...this.chosen];
    const videos = ids.map((id) => {
      const video = el("video", { muted: true, playsinline: true, preload: "auto" });
      media(`v1/videos/${id}/content?variant=video.mp4`).then((address) => (video.src = address), this.trouble);
      return video;
    });
    const [first, second] = videos;
    if (!first || !second) return;
    const slider = el("input", { type: "range", min: 0, max: 1, step: 0.001, value: 0, "aria-label": "time in both takes" });
    const button = el("button", { type: "button", class: "primary", id: "compare-play" }, "Play");
    const length = (): number => Math.max(first.duration || 0, second.duration || 0);
    const seek = (time: number): void => {
      for (const video of videos) video.currentTime = Math.min(time, Math.max(0, (video.duration || 0) - 0.001));
    };
    let playing = false;
    let began = 0;
    const frame = (): void => {
      if (!this.dialog.open) return;
      if (playing) {
        const time = ((performance.now() - began) / 1000) % (length() || 1);
        slider.value = String(time / (length() || 1));
        seek(time);
      }
      requestAnimationFrame(frame);
    };
    button.addEventListener("click", () => {
      playing = !playing;
      began = performance.now() - 1000 * Number(slider.value) * length();
      button.textContent = playing ? "Pause" : "Play";
    });
    slider.addEventListener("input", () => {
      playing = false;
      button.textContent = "Play";
      seek(Number(slider.value) * length());
    });
    const differences = this.differences(ids);
    this.dialog.replaceChildren(
      el("div", { class: "pair" }, ...videos.map((video, i) => el("figure", {}, video, el("figcaption", {}, `Take ${this.jobs.length - this.jobs.findIndex((j) => j.id === ids[i])}`)))),
      el("div", { class: "line" }, button, slider, el("button", { type: "button", onclick: () => this.dialog.close() }, "Close")),
      differences.length ? el("p", {}, `Different: ${differences.join("; ")}`) : el("p", {}, "Made with the same settings of the film; the scenes may differ."),
    );
    this.dialog.setAttribute("aria-label", "Two takes side by side");
    this.dialog.showModal();
    requestAnimationFrame(frame);
  }

  private differences(ids: string[]): string[] {
    const [a, b] = ids.map((id) => this.jobs.find((j) => j.id === id)?.request ?? {});
    if (!a || !b) return [];
    return Object.keys(a).filter((k) => k !== "scene" && JSON.stringify(a[k]) !== JSON.stringify(b[k])).map((k) => `${k.replaceAll("_", " ")} ${JSON.stringify(a[k])} and ${JSON.stringify(b[k])}`);
  }
}

/** Calls once, when an element comes into view. */
function whenSeen(element: Element, then: () => void): void {
  const watching = new IntersectionObserver((seen) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    watching.disconnect();
    then();
  });
  watching.observe(element);
}
