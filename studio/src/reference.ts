/** The OpenAPI description as a page. */

import { el } from "./dom";
import "./reference.css";

interface Schema {
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  anyOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  items?: Schema;
  default?: unknown;
  $ref?: string;
}
interface Operation {
  summary: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string }>;
}

/** A type in a few words. */
function kind(schema: Schema): string {
  if (schema.$ref) return schema.$ref.split("/").at(-1) ?? "";
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array" && schema.items) return `list of ${kind(schema.items)}`;
  return schema.format === "binary" ? "file" : (schema.type ?? "anything");
}

function rows(schema: Schema): HTMLElement[] {
  return Object.entries(schema.properties ?? {}).map(([name, part]) =>
    el("tr", {}, el("td", {}, el("code", {}, name), schema.required?.includes(name) ? " *" : ""), el("td", {}, kind(part)),
      el("td", {}, [part.description, part.default === undefined || part.default === null ? "" : `Default: ${JSON.stringify(part.default)}.`].filter(Boolean).join(" "))));
}

const page = (await (await fetch("openapi.json")).json()) as { paths: Record<string, Record<string, Operation>> };
const sections = new Map<string, HTMLElement>();
for (const [path, methods] of Object.entries(page.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const tag = operation.tags?.[0] ?? "service";
    const section = sections.get(tag) ?? el("section", {}, el("h2", {}, tag));
    sections.set(tag, section);
    const bodies = Object.entries(operation.requestBody?.content ?? {});
    const parameters = operation.parameters ?? [];
    section.append(
      el("details", {},
        el("summary", {}, el("b", { class: method }, method.toUpperCase()), " ", el("code", {}, path), ` ${operation.summary}`),
        parameters.length ? el("table", {}, ...parameters.map((p) => el("tr", {}, el("td", {}, el("code", {}, p.name), p.required ? " *" : ""), el("td", {}, kind(p.schema)), el("td", {}, p.in)))) : null,
        ...bodies.flatMap(([type, body]) => [el("p", {}, `Body, ${type}:`), el("table", {}, ...rows(body.schema))]),
        el("p", {}, `Answers: ${Object.keys(operation.responses).join(", ")}`)),
    );
  }
}
document.querySelector("#routes")?.append(...sections.values());
