/** The server's routes, as far as the studio uses them. */

import { ask } from "./access";

export interface Job {
  id: string;
  object: "video" | "motion" | "scene";
  status: "queued" | "in_progress" | "completed" | "failed";
  progress: number;
  stage: string;
  queue_position: number | null;
  created_at: number;
  started_at: number | null;
  completed_at: number | null;
  revision: number;
  error: { code: string; message: string } | null;
  files: Record<string, number>;
  request: Record<string, unknown>;
  details: Record<string, unknown>;
}
export interface Catalogue {
  default_model: string;
  models: Record<string, string>;
  controls: string[];
  styles: string[];
  body_parts: string[];
  camera_words: string[];
  joints: string[];
  parents: number[];
  rest: [number, number, number][];
}
/** A clip of the motion library. */
export interface Clip {
  id: string;
  caption: string;
  seconds: number;
  licence: string;
  mirrored: boolean;
}
export interface Clips {
  data: Clip[];
  has_more: boolean;
  note: string | null;
}
export interface StoredFile {
  id: string;
  kind: "picture" | "motion" | "video";
  filename: string;
}

/** How words for the camera are understood: in the camera language, or not at all. */
export interface CameraReading {
  text: string;
  camera: string | null;
  notes: string[];
  problem: string | null;
  suggestions: string[];
}

/** What to expect of a picture as a rough take: its joints at `size` in pixels, and a grey PNG of who it is, in base64. */
export interface PictureCheck {
  verdict: "good" | "usable" | "poor" | "nobody";
  findings: { what: string; text: string; poor: boolean }[];
  source: "detected" | "marked" | "preset" | "nobody";
  marks: { size: [number, number]; joints: Record<string, [number, number]> };
  cutout: string;
  /** In the picture. */
  people: number;
}

/** An answer that is not a success; `status` is 0 where there was none. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
  get gone(): boolean {
    return this.status === 0;
  }
}

async function call(path: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await ask(path, options);
  } catch {
    throw new ApiError(0, "gone", "the server does not answer");
  }
  if (response.ok) return response;
  let message = response.statusText;
  let code = "error";
  try {
    const body = (await response.json()) as { error: { message: string; code: string } };
    ({ message, code } = body.error);
  } catch {
    // not one of this server's own answers
  }
  const after = response.headers.get("retry-after");
  throw new ApiError(response.status, code, message, after === null ? null : Number(after));
}

const json = (method: string, body: unknown): RequestInit => ({
  method,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** A job of which only the end matters. */
type Made = Pick<Job, "id" | "status" | "error">;

const SOON = 400; // milliseconds before it is asked again whether something is ready

/** A query; what is null is left out, a list comes several times. */
export type Query = Record<string, string | number | null | (string | number)[]>;
const given = (values: Query): string =>
  new URLSearchParams(Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [value].flat().map((each) => [name, String(each)])))).toString();

export const api = {
  catalogue: async (): Promise<Catalogue> => (await call("v1/catalogue")).json(),
  make: async (kind: Job["object"], body: unknown): Promise<Job> => (await call(`v1/${kind}s`, json("POST", body))).json(),
  editScene: async (id: string, body: unknown): Promise<Job> => (await call(`v1/scenes/${id}`, json("PUT", body))).json(),
  job: async (kind: Job["object"], id: string): Promise<Job> => (await call(`v1/${kind}s/${id}`)).json(),
  list: async (kind: Job["object"], after?: string): Promise<{ data: Job[]; has_more: boolean }> =>
    (await call(`v1/${kind}s?limit=50${after ? `&after=${after}` : ""}`)).json(),
  remove: async (kind: Job["object"], id: string): Promise<void> => {
    await call(`v1/${kind}s/${id}`, { method: "DELETE" });
  },
  library: async (words: string, after: string | null): Promise<Clips> => {
    const asked = new URLSearchParams({ q: words, limit: "12", ...(after === null ? {} : { after }) });
    return (await call(`v1/library?${asked}`)).json();
  },
  camera: async (text: string): Promise<CameraReading> => (await call(`v1/camera?${given({ text })}`)).json(),
  upload: async (file: File): Promise<StoredFile> => {
    const form = new FormData();
    form.append("file", file);
    return (await call("v1/files", { method: "POST", body: form })).json();
  },
  /** What an upload is called. */
  uploaded: async (id: string): Promise<StoredFile> => (await call(`v1/files/${id}`)).json(),
  /** The motions of a scene: one person's file, or a zip of everybody's. */
  motions: async (scene: string, format: string, person: number | null): Promise<Blob> => (await call(`v1/scenes/${scene}/motions?${given({ format, person })}`)).blob(),
  /** Published models that passes can be made for. */
  profiles: async (): Promise<string[]> =>
    ((await (await call("v1/profiles")).json()) as { profiles: { model: string }[] }).profiles.map((each) => each.model),
  /** A zip of what a published model reads of a scene, once it is made. */
  passes: async (scene: string, model: string, picture: string | null): Promise<Blob> => {
    const asked = { scene, model, ...(picture === null ? {} : { input_reference: picture }) };
    let made: Made = await (await call("v1/passes", json("POST", asked))).json();
    while (made.status === "queued" || made.status === "in_progress") {
      await new Promise((go) => setTimeout(go, SOON));
      made = await (await call(`v1/passes/${made.id}`)).json();
    }
    if (made.status === "failed") throw new ApiError(422, made.error?.code ?? "failed", made.error?.message ?? "the passes could not be made");
    return (await call(`v1/passes/${made.id}/content`)).blob();
  },
  file: async (path: string): Promise<Blob> => (await call(path)).blob(),
  sceneContent: async (id: string): Promise<SceneContent> => (await call(`v1/scenes/${id}/content?variant=scene.json`)).json(),
  /** A moment on the stage; with `person` alone where that is a number. */
  still: async (id: string, time: number, width: number, height: number, person: number | null): Promise<Blob> =>
    (await call(`v1/scenes/${id}/still?${given({ time: time.toFixed(3), width, height, person })}`)).blob(),
  /** A moment with somebody's own picture in the scene; "preparing" until the picture is ready, null where a newer question overtook it. */
  rough: async (scene: string, asked: Query): Promise<Blob | "preparing" | null> => {
    const answer = await call(`v1/scenes/${scene}/rough?${given(asked)}`);
    return answer.status === 200 ? answer.blob() : answer.status === 202 ? "preparing" : null;
  },
  /** What to expect of a picture. */
  check: async (picture: string, said: Record<string, string | number | null>, stop: AbortSignal): Promise<PictureCheck> => {
    for (;;) {
      const answer = await call(`v1/files/${picture}/check?${given(said)}`, { signal: stop });
      if (answer.status === 200) return answer.json();
      await new Promise((go) => setTimeout(go, SOON));
    }
  },
  healthy: async (): Promise<boolean> => {
    try {
      return (await fetch("healthz")).ok;
    } catch {
      return false;
    }
  },
};

export interface SceneContent {
  fps: number;
  frames: number;
  people: { frames: number; joints: string }[];
  camera: { c2w: string; intrinsics: string; size: [number, number] } | null;
}

/** Little-endian float32 in base64. */
export function unpack(text: string): Float32Array {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

const AGAIN = 1000; // milliseconds before a lost connection is taken up again

/** Follows a job until it ends or is deleted; goes on by itself when the connection is lost. Returns how to stop. */
export function follow(job: Job, on: (now: Job | null) => void): () => void {
  const stop = new AbortController();
  void listen(job, stop.signal, (now) => queueMicrotask(() => on(now)));
  return () => stop.abort();
}

/** Server-sent events by `fetch`, which unlike an EventSource can send a header. */
async function listen(job: Job, signal: AbortSignal, on: (now: Job | null) => void): Promise<void> {
  while (!signal.aborted) {
    try {
      const response = await ask(`v1/${job.object}s/${job.id}/events`, { signal });
      if (response.status === 404) return on(null);
      if (response.ok && response.body) {
        for await (const { name, data } of events(response.body)) {
          if (name === "deleted") return on(null);
          const now = JSON.parse(data) as Job;
          on(now);
          if ((now.status === "completed" || now.status === "failed") && now.revision >= job.revision) return; // else it is of before the edit
        }
      }
    } catch {
      // the connection is lost, or nobody listens any more
    }
    await new Promise((go) => setTimeout(go, AGAIN));
  }
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<{ name: string; data: string }> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const whole = text.split("\n\n");
    text = whole.pop() ?? "";
    for (const event of whole) {
      const lines = event.split("\n");
      const of = (key: string): string => lines.filter((l) => l.startsWith(`${key}: `)).map((l) => l.slice(key.length + 2)).join("\n");
      if (of("data")) yield { name: of("event"), data: of("data") };
    }
  }
}
