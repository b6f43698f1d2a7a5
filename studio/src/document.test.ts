import { describe, expect, test } from "vitest";

import { addBlock, addPerson, dragBlock, headingAt, MOST_SECONDS, newDocument, placeShot, PLAIN, plannedSeconds, putKey, putLook, putPicture, readDocument, removePerson, sceneRequest, snapTo, toMotion, toWorld } from "./document";
import type { Block } from "./document";
import { History } from "./history";

const block = (start: number, end: number): Block => ({ text: "walk", start, end, parts: ["whole_body"] });

describe("blocks", () => {
  test("are moved without changing their length, and never before the beginning", () => {
    expect(dragBlock(block(1, 3), 0.52, "both")).toMatchObject({ start: 1.5, end: 3.5 });
    expect(dragBlock(block(1, 3), -5, "both")).toMatchObject({ start: 0, end: 2 });
  });

  test("are stretched at either end, and never shorter than half a second", () => {
    expect(dragBlock(block(1, 3), -0.5, "start")).toMatchObject({ start: 0.5, end: 3 });
    expect(dragBlock(block(1, 3), 5, "start")).toMatchObject({ start: 2.5, end: 3 });
    expect(dragBlock(block(1, 3), -5, "end")).toMatchObject({ start: 1, end: 1.5 });
  });

  test("find a free place on their track", () => {
    const motion = { ...newDocument().people[0]!.motion, blocks: [block(0, 4)] };
    expect(addBlock(motion, 2, ["whole_body"], "wave").motion.blocks[1]).toMatchObject({ start: 4, end: 7 });
    expect(addBlock(motion, 2, ["arms"], "wave").motion.blocks[1]).toMatchObject({ start: 2, end: 5 });
    expect(addBlock({ ...motion, blocks: [block(0, MOST_SECONDS)] }, 2, ["whole_body"], "wave").index).toBe(-1);
  });
});

test("a person turned and moved: world and motion are each other's inverse", () => {
  const person = newDocument().people[0]!;
  person.place = { x: 1, z: -2, turn: 70, delay: 0 };
  person.motion.path = [{ time: 0, x: 0.5, z: 0.25, heading: null }];
  const there = toWorld(person, [0.3, 1.1, -0.4]);
  toMotion(person, there).forEach((value, i) => expect(value).toBeCloseTo([0.3, 1.1, -0.4][i]!, 10));
  const start = toWorld(person, [0.5, 0, 0.25]);
  start.forEach((value, i) => expect(value).toBeCloseTo([1.5, 0, -1.75][i]!, 10));
});

test("a turn of 90 degrees takes forward (+z) to the person's left (+x), as the server turns", () => {
  const person = newDocument().people[0]!;
  person.place = { x: 0, z: 0, turn: 90, delay: 0 };
  const [x, , z] = toWorld(person, [0, 0, 1]);
  expect(x).toBeCloseTo(1, 10);
  expect(z).toBeCloseTo(0, 10);
});

test("people face the way they go, or whither they are told", () => {
  const path = [{ time: 0, x: 0, z: 0, heading: null }, { time: 1, x: 1, z: 0, heading: null }, { time: 2, x: 1, z: 3, heading: -45 }];
  expect(headingAt(path, 0)).toBeCloseTo(90, 9);
  expect(headingAt(path, 1)).toBeCloseTo((Math.atan2(1, 3) * 180) / Math.PI, 9);
  expect(headingAt(path, 2)).toBe(-45);
  expect(headingAt(path.slice(0, 1), 0)).toBe(0);
});

test("keys stay in order, and one moment has one key", () => {
  const keys = putKey(putKey([{ time: 2 }], { time: 1 }), { time: 2 });
  expect(keys.map((k) => k.time)).toEqual([1, 2]);
});

test("people come and go with what belongs to them", () => {
  let doc = addPerson(addPerson(newDocument()));
  doc = { ...doc, camera: { ...doc.camera, person: 2 }, notes: { ...doc.notes, pictures: ["a", "b", "c"] } };
  expect(doc.size).toBe("128x96");
  doc = removePerson(doc, 1);
  expect(doc.people.map((p) => p.name)).toEqual(["Person 1", "Person 3"]);
  expect(doc.notes.pictures).toEqual(["a", "c"]);
  expect(doc.camera.person).toBe(1);
  const alone = removePerson(removePerson(doc, 0), 0);
  expect(alone.people).toHaveLength(1);
  expect(alone.size).toBe("96x128");
});

test("a document survives a file, and others are refused with a sentence", () => {
  const doc = addPerson(newDocument());
  expect(readDocument(JSON.parse(JSON.stringify(doc)))).toEqual(doc);
  for (const wrong of [null, 3, {}, { people: [] }, { people: [{}] }]) expect(typeof readDocument(wrong)).toBe("string");
});

test("a file replaces the words in what the server is asked for", () => {
  const doc = newDocument();
  doc.people[0]!.motion.file = "file_1";
  const asked = sceneRequest(doc) as { people: { motion: Record<string, unknown> }[] };
  expect(asked.people[0]!.motion).toEqual({ file: "file_1", person: 0, seed: 0 });
  expect(plannedSeconds(doc)).toBe(8);
});

test("so does a clip of the library, and its length is the made one's", () => {
  const doc = newDocument();
  Object.assign(doc.people[0]!.motion, { clip: "mine/walk.bvh", mirrored: true });
  const asked = sceneRequest(doc) as { people: { motion: Record<string, unknown> }[] };
  expect(asked.people[0]!.motion).toEqual({ clip: "mine/walk.bvh", mirrored: true, seed: 0 });
  expect(plannedSeconds(doc, 2.5)).toBe(2.5);
});

describe("history", () => {
  test("undoes and redoes, and forgets the future after an edit", () => {
    const history = new History("a");
    history.push("b");
    history.push("c");
    expect(history.undo()).toBe(true);
    expect(history.value).toBe("b");
    history.redo();
    expect(history.value).toBe("c");
    history.undo();
    history.push("d");
    expect(history.canRedo).toBe(false);
    history.undo();
    history.undo();
    expect(history.value).toBe("a");
    expect(history.undo()).toBe(false);
  });

  test("typing is one step, a pause begins another", () => {
    let now = 0;
    const history = new History("", () => now);
    for (const text of ["w", "wa", "wal"]) {
      history.push(text, "text");
      now += 100;
    }
    now += 5000;
    history.push("walk", "text");
    history.undo();
    expect(history.value).toBe("wal");
    history.undo();
    expect(history.value).toBe("");
  });
});

describe("a picture of one's own", () => {
  const own = putPicture(addPerson(newDocument()), 1, "file_1");

  test("goes with what was said about it", () => {
    const looked = putLook(own, 1, { ...PLAIN, mask: "file_3" });
    expect(putPicture(looked, 1, "file_4").notes.looks).toEqual([null, null]);
    expect(removePerson(looked, 0).notes.looks).toEqual([{ ...PLAIN, mask: "file_3" }]);
  });
});

test("a time is drawn to the begin, the playhead or an edge nearby, else to the grid of frames", () => {
  expect(snapTo(0.07, [0, 2.35], 0.1)).toBe(0);
  expect(snapTo(2.3, [0, 2.35, 2.2], 0.1)).toBe(2.35);
  expect(snapTo(1.234, [0, 2.35], 0.1)).toBe(1.25);
});

test("a camera that is dragged keeps the way of its words", () => {
  const doc = newDocument();
  const still = placeShot(doc, 1, [2, 1.5, 3], () => ({ position: [0, 1, 4], target: [0, 1, 1], fov: 40 }), 4);
  expect(still.camera.keys).toEqual([{ time: 1, position: [2, 1.5, 3], target: [0, 1, 1], fov: 40 }]);
  const moving = placeShot(doc, 1, [2, 1.5, 3], (t) => ({ position: [t, 1, 4], target: [0, 1, 1], fov: 40 }), 4);
  expect(moving.camera.keys.map((k) => k.position[0])).toEqual([0, 2, 2, 3, 4]);
  const again = placeShot(moving, 2.5, [9, 1, 1], (t) => ({ position: [t, 1, 4], target: [0, 1, 1], fov: 40 }), 4);
  expect(again.camera.keys).toHaveLength(6);
});
