/** The 3D view that fills the window: people, paths, keyframes that can be dragged, the camera and what it sees. */

import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";

import type { SceneDocument, Vec3 } from "./document";
import { byWords, headingAt, toWorld } from "./document";
import { Figure } from "./figure";
import { cameraBody, disc, floorLine, grip, knob, pathLine, ring } from "./marks";
import { centre, openOf, see } from "./open_area";
import { orbitByKeys } from "./orbit";
import { bend, BODY, handleAt, HANDLES } from "./pose";
import { Sharpness } from "./sharpness";
import type { Solved } from "./solved";

export const COLOURS = ["#4f8df7", "#f2803a", "#37b679", "#c061cb", "#e5b632", "#e4576d", "#3bb8c4", "#9a7b5f"];

const ARROW = 0.55; // metres from a path point to the tip that says whither the person faces
const LEAST = 8; // pixels of a ball's radius at least, however far away it is
const REACH = 15; // pixels from the middle of a handle within which it is taken hold of
const HOVERED = 1.3;
const FAR = 60; // metres that something can be dragged away
const HEAD = 1.75; // metres over the floor
const HINTS: Record<HandleId["kind"], string> = {
  path: "Path point: drag it along the floor",
  heading: "Where the person faces: drag it round",
  target: "A place for a hand or foot: drag it",
  pose: "A held pose: click it to bend it",
  place: "The whole motion: drag it along the floor",
  camera: "Camera key: drag it; with Shift up and down",
  aim: "Where the camera looks: drag it; with Shift up and down",
  shot: "The camera: drag it; with Shift up and down",
};

/** What a handle stands for. */
export interface HandleId {
  kind: "path" | "heading" | "target" | "pose" | "place" | "camera" | "aim" | "shot";
  person: number;
  index: number;
  /** Of a pose: the joint that is taken hold of. */
  joint?: number;
}
interface Handle {
  id: HandleId;
  mesh: THREE.Object3D;
}
/** A held pose in 3D, joints in the world of the scene. */
interface Ghost {
  figure: Figure;
  joints: Vec3[];
}

export class View {
  onDrag: (id: HandleId, position: Vec3, done: boolean) => void = () => {};
  onPick: (id: HandleId | null) => void = () => {};
  /** Frames drawn in the last whole second in which the view was animated. */
  fps = 0;
  /** Whether something else covers the inset, which then need not be drawn. */
  covered = false;
  /** Who is seen in the inset: the one whom a take will show; everybody where null. */
  filmed: number | null = null;

  private readonly renderer: THREE.WebGLRenderer;
  private readonly scene = new THREE.Scene();
  private readonly eye = new THREE.PerspectiveCamera(40, 1, 0.05, 200);
  private readonly shot = new THREE.PerspectiveCamera(40, 0.75, 0.05, 200);
  private readonly controls: OrbitControls;
  private readonly marks = new THREE.Group();
  private readonly cameraMarks = new THREE.Group();
  private readonly ray = new THREE.Raycaster();
  private figures: Figure[] = [];
  private handles: Handle[] = [];
  private ghosts = new Map<string, Ghost>();
  private selection: HandleId | null = null;
  private arrow: THREE.ArrowHelper | null = null;
  private doc: SceneDocument | null = null;
  private solved: Solved | null = null;
  private parents: number[] = [];
  private time = 0;
  private selectedPerson = 0;
  private dragging: { handle: Handle; plane: THREE.Plane; offset: THREE.Vector3; at: Vec3; from: Vec3 } | null = null;
  private drawn = 0;
  private readonly sharpness = new Sharpness(Math.min(devicePixelRatio, 1.5));
  private since = performance.now();
  private hovered: HandleId | null = null;
  /** Where the camera was dragged to, until the scene is made with it there. */
  private held: Vec3 | null = null;
  /** How many people were there when the eye last went where all are seen. */
  private seen = 0;
  /** Sizes of the view and of the inset in it, measured when they change. */
  private size = { width: 1, height: 1 };
  private box = { left: 0, bottom: 0, width: 0, height: 0 };
  private open = { left: 0, top: 0, right: 1, bottom: 1 };
  private stale = true;
  private grid: THREE.GridHelper;

  constructor(
    private readonly host: HTMLElement,
    private readonly inset: HTMLElement,
    private readonly covers: HTMLElement[] = [],
  ) {
    this.renderer = new THREE.WebGLRenderer({ antialias: !drawnInSoftware() });
    this.renderer.autoClear = false;
    this.renderer.setPixelRatio(this.sharpness.finest);
    host.append(this.renderer.domElement);
    this.eye.position.set(3.7, 2.3, 5.2);
    this.controls = new OrbitControls(this.eye, this.renderer.domElement);
    this.controls.target.set(0.5, 0.9, 0.6);
    this.controls.maxPolarAngle = Math.PI / 2 - 0.02;
    this.controls.addEventListener("change", () => {
      this.sharpness.move(performance.now(), 0);
      this.stale = true;
    });
    this.controls.update();
    orbitByKeys(this.renderer.domElement, this.eye, this.controls);
    this.scene.add(new THREE.HemisphereLight(0xffffff, 0x8a8f9c, 2.2));
    const sun = new THREE.DirectionalLight(0xffffff, 1.6);
    sun.position.set(3, 6, 4);
    this.scene.add(sun, this.marks, this.cameraMarks);
    this.grid = new THREE.GridHelper(20, 20);
    this.scene.add(this.grid);
    const canvas = this.renderer.domElement;
    canvas.addEventListener("pointerdown", this.down);
    canvas.addEventListener("pointermove", this.move);
    canvas.addEventListener("pointerup", this.up);
    canvas.addEventListener("pointercancel", this.up);
    canvas.addEventListener("pointerleave", () => this.hover(null));
    const resized = new ResizeObserver(() => this.resize());
    resized.observe(host);
    for (const other of [inset, ...covers]) resized.observe(other);
    this.ray.params.Line.threshold = 0.04; // metres beside a line that are the line; the usual one metre hides what is near
    this.resize();
    this.theme();
  }

  /** Colours of ground and sky from the page's. */
  theme(): void {
    const style = getComputedStyle(document.documentElement);
    this.scene.background = new THREE.Color(style.getPropertyValue("--sky").trim());
    const line = new THREE.Color(style.getPropertyValue("--grid").trim());
    this.scene.remove(this.grid);
    this.grid = new THREE.GridHelper(20, 20, line, line);
    this.scene.add(this.grid);
    this.rebuild();
    this.stale = true;
  }

  setSkeleton(parents: number[]): void {
    this.parents = parents;
  }

  setSolved(solved: Solved | null): void {
    this.solved = solved;
    this.held = null;
    this.rebuild();
    if (solved && solved.people.length !== this.seen) this.seeAll();
  }

  setDocument(doc: SceneDocument, selectedPerson: number, selection: HandleId | null): void {
    this.doc = doc;
    this.selectedPerson = selectedPerson;
    this.selection = selection;
    this.rebuild();
  }

  setTime(time: number): void {
    this.time = time;
    this.stale = true;
  }

  /** Where the user looks from now, as a key of the camera. */
  lookFrom(): { position: Vec3; target: Vec3; fov: number } {
    const round = (v: THREE.Vector3): Vec3 => [+v.x.toFixed(3), +v.y.toFixed(3), +v.z.toFixed(3)];
    return { position: round(this.eye.position), target: round(this.controls.target), fov: 40 };
  }

  /** Steps back or nearer until everybody and the camera are seen beside the panels. */
  seeAll(): void {
    const { solved, host, inset, eye, controls } = this;
    if (!solved) return;
    this.seen = solved.people.length;
    const points = solved.people.flatMap((person) => {
      const frames = [0, person.frames >> 1, person.frames - 1];
      const [x, z] = [0, 2].map((axis) => frames.map((f) => person.joints[72 * f + axis] ?? 0)) as [number[], number[]];
      return frames.flatMap((_, i) => [[x[i] ?? 0, 0, z[i] ?? 0], [x[i] ?? 0, HEAD, z[i] ?? 0]] as Vec3[]);
    });
    const ways = Array.from({ length: 5 }, (_, i) => this.shotAt((i * (solved.frames - 1)) / solved.fps / 4)?.position);
    points.push(...ways.filter((way): way is Vec3 => way !== undefined), ...(this.doc?.camera.keys ?? []).map((key) => key.position));
    const corner = inset.getBoundingClientRect();
    const small = corner.width < (this.open.right - this.open.left) / 2; // a large one is not looked past
    see(eye, controls.target, points, host.getBoundingClientRect(), this.open, small ? corner : { left: 0, top: 0, right: -1e4, bottom: -1e4 });
    controls.update();
    this.stale = true;
  }

  /** People go elsewhere: once they are made there, all are seen again; or at once, where they stay. */
  lookAgain(now = false): void {
    if (now) requestAnimationFrame(() => this.seeAll());
    else this.seen = 0;
  }

  /** Steps to the right, up and away as the user sees them, of unit length; right and away along the floor. */
  get axes(): { right: Vec3; up: Vec3; away: Vec3 } {
    const away = this.eye.getWorldDirection(new THREE.Vector3()).setY(0).normalize();
    return { right: [-away.z, 0, away.x], up: [0, 1, 0], away: [away.x, 0, away.z] };
  }

  /** Where something stands on the page, in pixels from its left and top. */
  onPage(position: Vec3): { x: number; y: number } {
    const seen = new THREE.Vector3(...position).project(this.eye);
    const box = this.renderer.domElement.getBoundingClientRect();
    return { x: box.left + (box.width * (1 + seen.x)) / 2, y: box.top + (box.height * (1 - seen.y)) / 2 };
  }

  /** The shot's camera at a moment of the made scene, as a key. */
  shotAt(time: number): { position: Vec3; target: Vec3; fov: number } | null {
    if (!this.solved?.camera) return null;
    this.aim(time);
    const forward = new THREE.Vector3();
    this.shot.getWorldDirection(forward);
    const position = this.shot.position;
    const target = position.clone().addScaledVector(forward, 3);
    const list = (v: THREE.Vector3): Vec3 => [+v.x.toFixed(3), +v.y.toFixed(3), +v.z.toFixed(3)];
    return { position: list(position), target: list(target), fov: +this.shot.fov.toFixed(2) };
  }

  /** The joints of a person at a moment, or null before they are made. */
  jointsAt(person: number, time: number): Vec3[] | null {
    const made = this.solved?.people[person];
    if (!made || !this.solved) return null;
    const frame = Math.min(made.frames - 1, Math.max(0, Math.round(time * this.solved.fps)));
    return Array.from({ length: 24 }, (_, j) => {
      const at = 72 * frame + 3 * j;
      return [made.joints[at] ?? 0, made.joints[at + 1] ?? 0, made.joints[at + 2] ?? 0] as Vec3;
    });
  }

  draw(): void {
    const now = performance.now();
    if (now - this.since >= 1000) {
      if (this.drawn > 1) this.fps = (1000 * this.drawn) / (now - this.since);
      this.drawn = 0;
      this.since = now;
    }
    const wanted = this.sharpness.at(now);
    if (wanted !== this.renderer.getPixelRatio()) {
      this.renderer.setPixelRatio(wanted);
      this.stale = true;
    }
    if (!this.stale) return;
    this.stale = false;
    this.drawn++;
    this.pose();
    this.sizeHandles();
    this.renderer.setScissorTest(false);
    this.renderer.setViewport(0, 0, this.size.width, this.size.height);
    this.renderer.clear();
    this.renderer.render(this.scene, this.eye);
    if (this.solved?.camera && this.box.width > 0 && !this.covered) {
      this.aim(this.time);
      const { left, bottom } = this.box;
      this.renderer.setScissorTest(true);
      this.renderer.setScissor(left, bottom, this.box.width, this.box.height);
      this.renderer.setViewport(left, bottom, this.box.width, this.box.height);
      this.renderer.clear();
      this.marks.visible = this.cameraMarks.visible = false;
      this.figures.forEach((figure, i) => (figure.group.visible = this.filmed === null || i === this.filmed));
      this.shot.aspect = this.box.width / this.box.height;
      this.shot.updateProjectionMatrix();
      this.renderer.render(this.scene, this.shot);
      this.marks.visible = this.cameraMarks.visible = true;
      for (const figure of this.figures) figure.group.visible = true;
    }
  }

  /** Balls stay large enough to be seen and taken hold of, and what the pointer is over grows. */
  private sizeHandles(): void {
    const metres = (2 * Math.tan((this.eye.fov * Math.PI) / 360)) / this.size.height; // of a pixel, a metre away
    for (const { id, mesh } of this.handles) {
      if (id.kind === "pose" && id.joint === undefined) continue;
      const radius = mesh.userData.radius as number | undefined;
      const least = radius ? (LEAST * metres * this.eye.position.distanceTo(mesh.position)) / radius : 1;
      mesh.scale.setScalar(Math.max(1, least) * (same(id, this.hovered) ? HOVERED : 1));
    }
  }

  /** While the scene plays: draws every frame, coarser where that is too slow. */
  touch(): void {
    this.stale = true;
    this.sharpness.move(performance.now(), this.fps);
  }

  private pose(): void {
    const solved = this.solved;
    if (!solved) return;
    const frame = Math.round(this.time * solved.fps);
    this.figures.forEach((figure, i) => {
      const made = solved.people[i];
      if (made) figure.pose(made.joints, 72 * Math.min(made.frames - 1, Math.max(0, frame)));
    });
    const frustum = this.cameraMarks.getObjectByName("frustum");
    if (frustum && solved.camera) {
      this.aim(this.time);
      frustum.quaternion.copy(this.shot.quaternion);
      if (this.held) frustum.position.set(...this.held);
      else frustum.position.copy(this.shot.position);
    }
  }

  private aim(time: number): void {
    const camera = this.solved?.camera;
    if (!camera || !this.solved) return;
    const last = camera.c2w.length / 16 - 1;
    const frame = Math.min(last, Math.max(0, Math.round(time * this.solved.fps)));
    const m = camera.c2w.subarray(16 * frame, 16 * frame + 16);
    const at = (i: number): number => m[i] ?? 0;
    // OpenCV axes (x right, y down, z forward) become those of three.js (x right, y up, z back).
    const matrix = new THREE.Matrix4().set(at(0), -at(1), -at(2), at(3), at(4), -at(5), -at(6), at(7), at(8), -at(9), -at(10), at(11), 0, 0, 0, 1);
    matrix.decompose(this.shot.position, this.shot.quaternion, this.shot.scale);
    const fy = camera.intrinsics[4 * frame + 1] ?? 1;
    this.shot.fov = (2 * Math.atan(camera.size[1] / 2 / fy) * 180) / Math.PI;
    this.shot.updateMatrixWorld();
  }

  private rebuild(): void {
    const { doc, solved } = this;
    if (!doc || !this.parents.length) return;
    const people = solved?.people.length ?? 0;
    if (this.figures.length !== people) {
      for (const figure of this.figures) {
        this.scene.remove(figure.group);
        figure.dispose();
      }
      this.figures = Array.from({ length: people }, (_, i) => new Figure(this.parents, COLOURS[i % COLOURS.length] ?? "#888"));
      for (const figure of this.figures) this.scene.add(figure.group);
    }
    this.figures.forEach((figure, i) => (figure.selected = i === this.selectedPerson));
    this.rebuildMarks(doc);
    this.stale = true;
  }

  private rebuildMarks(doc: SceneDocument): void {
    for (const group of [this.marks, this.cameraMarks]) {
      group.traverse((o) => {
        if (o instanceof THREE.Mesh || o instanceof THREE.Line) o.geometry.dispose();
      });
      group.clear();
    }
    for (const ghost of this.ghosts.values()) ghost.figure.dispose();
    this.ghosts.clear();
    this.handles = [];
    doc.people.forEach((person, p) => {
      const colour = COLOURS[p % COLOURS.length] ?? "#888";
      const dim = p === this.selectedPerson ? 1 : 0.35;
      const made = this.solved?.people[p];
      if (made) this.marks.add(floorLine(made.joints, 72, colour, dim));
      const words = byWords(person.motion); // a file or a clip obeys no keyframes
      if (words) person.motion.path.forEach((point, index) => {
        const at = toWorld(person, [point.x, 0.015, point.z]);
        this.handle({ kind: "path", person: p, index }, ring(colour), at);
        const chosen = this.selection;
        if (chosen?.kind !== "path" || chosen.person !== p || chosen.index !== index) return;
        const facing = (headingAt(person.motion.path, index) * Math.PI) / 180;
        const tip = toWorld(person, [point.x + ARROW * Math.sin(facing), 0.015, point.z + ARROW * Math.cos(facing)]);
        this.arrow = new THREE.ArrowHelper(towards(at, tip), new THREE.Vector3(...at), ARROW, colour, 0.16, 0.1);
        this.marks.add(this.arrow);
        this.handle({ kind: "heading", person: p, index }, knob(colour, 0.07), tip);
      });
      if (words) person.motion.targets.forEach((target, index) => {
        this.handle({ kind: "target", person: p, index }, knob(colour, 0.06), toWorld(person, target.position));
      });
      if (words) person.motion.poses.forEach((pose, index) => this.ghost({ kind: "pose", person: p, index }, pose.joints.map((j) => toWorld(person, j)), colour));
      if (made) {
        const at: Vec3 = [made.joints[0] ?? 0, 0.01, made.joints[2] ?? 0];
        this.handle({ kind: "place", person: p, index: 0 }, disc(colour), at);
      }
    });
    const camera = this.solved?.camera;
    const red = getComputedStyle(document.documentElement).getPropertyValue("--camera").trim();
    if (camera) {
      const frustum = cameraBody(camera.size, red);
      frustum.name = "frustum";
      this.aim(this.time);
      this.handle({ kind: "shot", person: 0, index: 0 }, frustum, this.shot.position.toArray() as Vec3);
      this.cameraMarks.add(pathLine(camera.c2w, red));
    }
    doc.camera.keys.forEach((key, index) => {
      this.handle({ kind: "camera", person: 0, index }, knob(red, 0.09), key.position);
      this.handle({ kind: "aim", person: 0, index }, knob("#ffffff", 0.05), key.target);
      const points = [new THREE.Vector3(...key.position), new THREE.Vector3(...key.target)];
      const material = new THREE.LineDashedMaterial({ color: 0x999999, dashSize: 0.1, gapSize: 0.1 });
      this.cameraMarks.add(new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), material).computeLineDistances());
    });
  }

  /** A held pose; handles stand on its joints while it is selected. */
  private ghost(id: HandleId, joints: Vec3[], colour: string): void {
    const figure = new Figure(this.parents, colour, 0.28);
    figure.pose(joints.flat());
    this.ghosts.set(nameOf(id), { figure, joints });
    this.marks.add(figure.group);
    this.handles.push({ id, mesh: figure.group });
    const chosen = this.selection;
    if (chosen?.kind !== "pose" || nameOf(chosen) !== nameOf(id)) return;
    for (const joint of HANDLES) {
      const mesh = joint === BODY ? ring(colour) : grip(joint === chosen.joint);
      this.handle({ ...id, joint }, mesh, handleAt(joints, joint));
    }
  }

  /** Shows a pose as it would be, while one of its joints is dragged. */
  private preview(id: HandleId, to: Vec3): void {
    const ghost = this.ghosts.get(nameOf(id));
    if (!ghost || id.joint === undefined) return;
    const bent = bend(ghost.joints, id.joint, to);
    ghost.figure.pose(bent.flat());
    for (const other of this.handles) {
      if (other.id.joint !== undefined && nameOf(other.id) === nameOf(id)) other.mesh.position.set(...handleAt(bent, other.id.joint));
    }
  }

  private handle(id: HandleId, mesh: THREE.Object3D, position: Vec3): void {
    mesh.position.set(...position);
    (id.kind === "camera" || id.kind === "aim" || id.kind === "shot" ? this.cameraMarks : this.marks).add(mesh);
    this.handles.push({ id, mesh });
  }

  private point(event: PointerEvent): void {
    const box = this.renderer.domElement.getBoundingClientRect();
    const x = (2 * (event.clientX - box.left)) / box.width - 1;
    const y = 1 - (2 * (event.clientY - box.top)) / box.height;
    this.ray.setFromCamera(new THREE.Vector2(x, y), this.eye);
  }

  /** What the pointer is over: what it hits, else the nearest handle within reach, else a pale body. */
  private under(event: PointerEvent): Handle | null {
    this.point(event);
    const hits = this.ray.intersectObjects(this.handles.map((h) => h.mesh), true);
    // What can be taken hold of comes before the pale bodies behind it; of a body's handles the nearest.
    const found = hits.flatMap((hit) => this.handles.find((h) => h.mesh === hit.object || h.mesh.children.includes(hit.object)) ?? []);
    const solid = found.find((h) => h.id.joint !== undefined) ?? found.find((h) => h.id.kind !== "pose" && h.id.kind !== "place");
    return solid ?? this.near(event) ?? found[0] ?? null;
  }

  private near(event: PointerEvent): Handle | null {
    let [best, distance]: [Handle | null, number] = [null, REACH];
    for (const handle of this.handles) {
      if (handle.id.kind === "place" || (handle.id.kind === "pose" && handle.id.joint === undefined)) continue;
      const { x, y } = this.onPage(handle.mesh.position.toArray() as Vec3);
      const off = Math.hypot(x - event.clientX, y - event.clientY);
      if (off < distance) [best, distance] = [handle, off];
    }
    return best;
  }

  private hover(id: HandleId | null): void {
    if (same(id, this.hovered)) return;
    this.hovered = id;
    const canvas = this.renderer.domElement;
    canvas.style.cursor = !id ? "" : id.kind === "pose" && id.joint === undefined ? "pointer" : "grab";
    canvas.title = id ? HINTS[id.kind] : "";
    this.stale = true;
  }

  private readonly down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const handle = this.under(event);
    if (!handle) return;
    const { kind, joint } = handle.id;
    if (kind === "pose" && joint === undefined) {
      this.onPick(handle.id);
      return;
    }
    const flat = kind === "path" || kind === "heading" || kind === "place" || joint === BODY;
    const normal = new THREE.Vector3(0, 1, 0);
    // Along the floor; with Shift, and for joints, in the plane that faces the user.
    if (!flat && (event.shiftKey || kind === "target" || kind === "pose")) this.eye.getWorldDirection(normal).negate();
    const plane = new THREE.Plane().setFromNormalAndCoplanarPoint(normal, handle.mesh.position);
    const on = this.ray.ray.intersectPlane(plane, new THREE.Vector3());
    if (!on) return;
    const { x, y, z } = handle.mesh.position;
    const from: Vec3 = [x, y, z];
    this.dragging = { handle, plane, offset: handle.mesh.position.clone().sub(on), at: from, from };
    this.controls.enabled = false;
    this.renderer.domElement.style.cursor = "grabbing";
    this.renderer.domElement.setPointerCapture(event.pointerId);
    this.onPick(handle.id);
  };

  private readonly move = (event: PointerEvent): void => {
    if (!this.dragging) {
      if (!event.buttons) this.hover(this.under(event)?.id ?? null);
      return;
    }
    this.point(event);
    const { handle, plane, offset } = this.dragging;
    const on = this.ray.ray.intersectPlane(plane, new THREE.Vector3());
    if (!on || on.distanceTo(this.eye.position) > FAR) return; // where the floor meets the horizon
    on.add(offset);
    on.y = Math.max(0.01, on.y);
    this.dragging.at = [on.x, on.y, on.z];
    handle.mesh.position.copy(on);
    if (handle.id.kind === "shot") this.held = this.dragging.at;
    this.preview(handle.id, this.dragging.at);
    if (handle.id.kind === "heading" && this.arrow) {
      const { x, y, z } = this.arrow.position;
      this.arrow.setDirection(towards([x, y, z], this.dragging.at));
    }
    this.stale = true;
    this.onDrag(handle.id, this.dragging.at, false);
  };

  private readonly up = (): void => {
    if (!this.dragging) return;
    const { handle, at, from } = this.dragging;
    this.dragging = null;
    this.controls.enabled = true;
    this.renderer.domElement.style.cursor = "grab";
    if (at !== from) this.onDrag(handle.id, at, true);
  };

  /** Whether something is being dragged: what is dragged is not rebuilt under the pointer. */
  get busy(): boolean {
    return this.dragging !== null;
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    const outer = this.host.getBoundingClientRect();
    const inner = this.inset.getBoundingClientRect();
    this.size = { width, height };
    this.box = { left: inner.left - outer.left, bottom: outer.bottom - inner.bottom, width: inner.width, height: inner.height };
    this.renderer.setSize(width, height);
    this.open = openOf(outer, this.covers.map((cover) => cover.getBoundingClientRect()));
    centre(this.eye, outer, this.open);
    this.stale = true;
  }
}

/** Whether the browser has no graphics processor to draw with: smoothed edges then cost more than they give. */
function drawnInSoftware(): boolean {
  const context = document.createElement("canvas").getContext("webgl2");
  const names = context?.getExtension("WEBGL_debug_renderer_info");
  const name = names && context ? String(context.getParameter(names.UNMASKED_RENDERER_WEBGL)) : "";
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software/i.test(name);
}

const towards = (from: Vec3, to: Vec3): THREE.Vector3 => new THREE.Vector3(to[0] - from[0], 0, to[2] - from[2]).normalize();
const same = (a: HandleId | null, b: HandleId | null): boolean =>
  a === b || (a !== null && b !== null && a.kind === b.kind && a.person === b.person && a.index === b.index && a.joint === b.joint);
const nameOf = (id: HandleId): string => `${id.person}-${id.index}`;
