/** What the parts of the page share: the document with its history, the made scene, time, and what is selected. */

import type { Catalogue } from "./api";
import type { SceneDocument } from "./document";
import { newDocument, plannedSeconds } from "./document";
import { History } from "./history";
import type { Solved } from "./solved";
import { AUTOMATIC } from "./taking";
import type { HandleId } from "./view";

export type Selection = { kind: "block"; index: number } | HandleId | null;
export type Change = "document" | "scene" | "time" | "selection" | "status" | "takes";

export class State {
  readonly history = new History<SceneDocument>(newDocument());
  catalogue: Catalogue | null = null;
  solved: Solved | null = null;
  /** The scene on the server that this document is kept in, and what is being done with it. */
  sceneId: string | null = null;
  revision = 0;
  making: { progress: number; stage: string } | null = null;
  /** Whether what is shown in 3D is older than the document. */
  stale = true;
  /** Texts of the made scene that name what the motion model has not learned. */
  unlearned: { person: number; text: string; note: string }[] = [];
  /** Whether what is shown is the scene that comes with the page, of a document that nobody has touched. */
  fresh = false;
  /** Whether the server has made this scene once, and so can show pictures of it. */
  onServer = false;
  problem: string | null = null;
  offline = false;
  time = 0;
  playing = false;
  person = 0;
  selection: Selection = null;
  private readonly listeners = new Map<Change, (() => void)[]>();

  /** The server's model where none is chosen. */
  get usual(): string {
    return this.catalogue?.default_model ?? AUTOMATIC;
  }

  get doc(): SceneDocument {
    return this.history.value;
  }

  /** Seconds of the timeline. */
  get seconds(): number {
    const made = this.solved ? (this.solved.frames - 1) / this.solved.fps : 0;
    return Math.max(plannedSeconds(this.doc, this.solved ? 0.5 : 8), made);
  }

  on(change: Change, listener: () => void): void {
    this.listeners.set(change, [...(this.listeners.get(change) ?? []), listener]);
  }

  say(...changes: Change[]): void {
    for (const change of changes) for (const listener of this.listeners.get(change) ?? []) listener();
  }

  /** Takes an edited document; edits of one name in quick succession are undone together. */
  edit(doc: SceneDocument, name = ""): void {
    this.history.push(doc, name);
    this.person = Math.min(this.person, this.doc.people.length - 1);
    this.say("document");
  }

  seek(time: number): void {
    this.time = Math.min(this.seconds, Math.max(0, time));
    this.say("time");
  }

  select(selection: Selection): void {
    this.selection = selection;
    if (selection && selection.kind !== "block" && selection.kind !== "camera" && selection.kind !== "aim") this.person = selection.person;
    this.say("selection");
  }
}
