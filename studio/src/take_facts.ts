/** What is said of a take: its name, by what it was made, how long it is, and how long it still takes. */

import type { Job } from "./api";

export const isOver = (job: Job): boolean => job.status === "completed" || job.status === "failed";

/** By what a take is or was made. */
export function madeBy(job: Job, usual: string): string {
  const settings = (job.details.settings ?? {}) as { backbone?: string };
  const asked = (job.request.model as string | null) ?? (usual === "automatic" && job.request.input_reference ? "rough" : usual);
  const name = settings.backbone ?? asked;
  return name === "rough" ? "rough take" : name === "stage" ? "film of the stage" : name === "automatic" || !name ? "embedded model" : `model ${name}`;
}

/** "Untitled, take 3, 4.0 s, model mini, 288x384", as far as it is known. */
export function about(job: Job, usual: string): string {
  const { seconds, size } = job.details as { seconds?: number; size?: string };
  return [seconds === undefined ? "" : `${seconds.toFixed(1)} s`, madeBy(job, usual), size ?? ""].filter(Boolean).join(" · ");
}

/** A name that any file system takes. */
export function fileName(title: string, rest: string): string {
  const plain = title.trim().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  return `${plain || "scene"}${rest}`;
}

const SURE = 15; // per cent from which on the work itself tells how long it takes (ours)

/** Seconds left of a take that has been made for so long, by the last finished one of its kind or by its own progress; null where nobody knows. */
export function secondsLeft(job: Job, elapsed: number, finished: Job[], usual: string): number | null {
  const same = finished.find((other) => other.status === "completed" && madeBy(other, usual) === madeBy(job, usual) && other.started_at !== null && other.completed_at !== null);
  const before = same ? Math.max(1, (same.completed_at ?? 0) - (same.started_at ?? 0)) : null;
  const own = job.progress >= SURE ? (100 * elapsed) / job.progress : null;
  const all = before !== null && own !== null ? (own * job.progress + before * (100 - job.progress)) / 100 : (own ?? before);
  return all === null ? null : Math.max(1, Math.ceil(all - elapsed));
}
