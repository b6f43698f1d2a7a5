import { expect, test } from "vitest";
import { filesOf, pack, unpack } from "./bundle";
import { newDocument, PLAIN, putLook, putPicture } from "./document";

const doc = putLook(putPicture(newDocument(), 0, "file_a"), 0, { ...PLAIN, mask: "file_b" });

test("a saved scene carries its files and opens on a server that names them otherwise", async () => {
  expect(filesOf(doc)).toEqual(["file_a", "file_b"]);
  const long = "picture ".repeat(20_000);
  const saved = await pack(doc, async (id) => ({ name: `${id}.png`, content: new Blob([id === "file_a" ? long : "mask"]) }));
  const uploaded: Record<string, string> = {};
  const opened = await unpack(await saved.text(), async (file) => {
    uploaded[file.name] = await file.text();
    return `new_${file.name}`;
  });
  expect(uploaded).toEqual({ "file_a.png": long, "file_b.png": "mask" });
  expect(opened).toMatchObject({ notes: { pictures: ["new_file_a.png"], looks: [{ mask: "new_file_b.png", marks: null }] } });
  expect(opened).not.toHaveProperty("files");
});

test("scenes saved earlier open, and what is no scene is refused in a sentence", async () => {
  const never = async (): Promise<string> => { throw new Error("no room"); };
  expect(await unpack(JSON.stringify(newDocument()), never)).toMatchObject({ title: "Untitled" });
  expect(await unpack("{", never)).toBe("this is not a scene of the studio");
  expect(await unpack(JSON.stringify({ ...doc, files: [{ id: "file_a" }] }), never)).toMatch("damaged");
  expect(await unpack(JSON.stringify({ ...doc, files: [{ id: "file_a", name: "a.png", data: "" }] }), never)).toMatch("“a.png” cannot be used: no room");
});
