/** Scenes in files that carry what they use: pictures, motions and videos travel with them to other servers. */

import type { Look, SceneDocument } from "./document";
import { readDocument } from "./document";

/** A file that a scene uses, in base64. */
interface Carried {
  id: string;
  name: string;
  data: string;
}
const MOST_BYTES = 400 << 20; // of all files of a scene (ours): browsers make no longer texts

/** The ids of the uploads that a document uses, each once. */
export function filesOf(doc: SceneDocument): string[] {
  const { pictures, looks } = doc.notes;
  const used = [...doc.people.map((p) => p.motion.file), ...pictures, ...looks.flatMap((l) => [l?.marks ?? null, l?.mask ?? null])];
  return [...new Set(used.filter((id): id is string => Boolean(id)))];
}

/** The document with other files in place of its own. */
export function withFiles(doc: SceneDocument, renamed: Map<string, string>): SceneDocument {
  const put = (id: string | null): string | null => (id === null ? null : (renamed.get(id) ?? id));
  const look = (l: Look | null): Look | null => l && { ...l, marks: put(l.marks), mask: put(l.mask) };
  const people = doc.people.map((p) => ({ ...p, motion: { ...p.motion, file: put(p.motion.file) } }));
  return { ...doc, people, notes: { ...doc.notes, pictures: doc.notes.pictures.map(put), looks: doc.notes.looks.map(look) } };
}

/** A document as a file that carries what it uses; `fetch` gives a file's name and content. */
export async function pack(doc: SceneDocument, fetch: (id: string) => Promise<{ name: string; content: Blob }>): Promise<Blob> {
  const files: Carried[] = [];
  let bytes = 0;
  for (const id of filesOf(doc)) {
    const { name, content } = await fetch(id);
    bytes += content.size;
    if (bytes > MOST_BYTES) throw new Error(`the files of this scene have more than ${MOST_BYTES >> 20} MB: a scene file cannot carry them`);
    files.push({ id, name, data: await encode(content) });
  }
  return new Blob([JSON.stringify({ ...doc, files }, null, 1)], { type: "application/json" });
}

/** A document from a file; what it carries is uploaded first. A sentence where it is none. */
export async function unpack(text: string, upload: (file: File) => Promise<string>): Promise<SceneDocument | string> {
  let value: { files?: unknown };
  try {
    value = JSON.parse(text);
  } catch {
    return "this is not a scene of the studio";
  }
  const { files, ...rest } = value ?? {};
  const doc = readDocument(rest);
  if (typeof doc === "string") return doc;
  const renamed = new Map<string, string>();
  for (const file of Array.isArray(files) ? (files as Carried[]) : []) {
    if (typeof file?.id !== "string" || typeof file.name !== "string" || typeof file.data !== "string") return "a file that it carries is damaged";
    try {
      renamed.set(file.id, await upload(new File([decode(file.data)], file.name)));
    } catch (error) {
      return `its file “${file.name}” cannot be used: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return withFiles(doc, renamed);
}

async function encode(content: Blob): Promise<string> {
  const bytes = new Uint8Array(await content.arrayBuffer());
  const parts: string[] = [];
  const length = 0x6000; // a multiple of three, short enough for an argument list
  for (let i = 0; i < bytes.length; i += length) parts.push(btoa(String.fromCharCode(...bytes.subarray(i, i + length))));
  return parts.join("");
}

function decode(data: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
}
