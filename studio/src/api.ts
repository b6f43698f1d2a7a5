/** The server's routes, as far as the studio uses them. */

export interface Job {
  id: string;
  object: "video" | "motion" | "scene";
  status: "queued" | "in_progress" | "completed" | "failed";
  progress: number;
  stage: string;
  queue_position: number | null;
  created_at: number;
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
export interface StoredFile {
  id: string;
  kind: "picture" | "motion" | "video";
  filename: string;
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
    response = await fetch(path, options);
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
  upload: async (file: File): Promise<StoredFile> => {
    const form = new FormData();
    form.append("file", file);
    return (await call("v1/files", { method: "POST", body: form })).json();
  },
  sceneContent: async (id: string): Promise<SceneContent> => (await call(`v1/scenes/${id}/content?variant=scene.json`)).json(),
  still: async (id: string, time: number, width: number, height: number): Promise<Blob> =>
    (await call(`v1/scenes/${id}/still?time=${time.toFixed(3)}&width=${width}&height=${height}`)).blob(),
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

/** Follows a job until it ends or is deleted; goes on by itself when the connection is lost. Returns how to stop. */
export function follow(job: Job, on: (now: Job | null) => void): () => void {
  const source = new EventSource(`v1/${job.object}s/${job.id}/events`);
  const heard = (event: MessageEvent<string>): void => {
    const now = JSON.parse(event.data) as Job;
    if (now.status === "completed" || now.status === "failed") source.close();
    on(now);
  };
  for (const state of ["queued", "in_progress", "completed", "failed"]) source.addEventListener(state, heard as EventListener);
  source.addEventListener("deleted", () => {
    source.close();
    on(null);
  });
  return () => source.close();
}
