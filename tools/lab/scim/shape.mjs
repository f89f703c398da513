/*
 * shape -- SCIMMY's schema definitions as trees, for two quick questions: which
 * names are unknown, and is a resource plainly right?
 *
 * SCIMMY's own coercion takes 0.3 ms for a user. What is plainly right (known
 * names, values of the very type) is copied here instead; about anything else
 * copyPlain() is undecided and SCIMMY decides.
 */
import SCIMMY from "scimmy";
import { Refusal } from "./errors.mjs";

SCIMMY.Resources.declare(SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false));
SCIMMY.Resources.declare(SCIMMY.Resources.Group);
/* What store.mjs insists on is told to clients (RFC 7643 section 7). */
SCIMMY.Schemas.Group.definition.attribute("displayName").config.uniqueness = "server";

/** What every resource may carry; of these a client sets externalId only. */
export const COMMON = new Set(["schemas", "id", "externalid", "meta"]);
const IGNORED = new Set(["schemas", "id", "meta"]);

const PLAIN_TYPES = { string: "string", reference: "string", boolean: "boolean" };
const UNDECIDED = Symbol("undecided");

export const isObject = (value) => Object(value) === value && !Array.isArray(value);

/* lower-case name -> {name, multiple, read_only, canonical, plain_type, sub} */
function treeOf(attributes) {
    return new Map(attributes.map((each) => [each.name.toLowerCase(), {
        name: each.name,
        multiple: each.multiValued,
        read_only: each.mutability === "readOnly",
        canonical: each.canonicalValues ? new Set(each.canonicalValues) : null,
        plain_type: PLAIN_TYPES[each.type],
        sub: each.subAttributes?.length ? treeOf(each.subAttributes) : null
    }]));
}

/* SCIMMY describes itself by getters that only JSON asks for. */
const described = (schema) => JSON.parse(JSON.stringify(schema.definition.describe()));

function shapeOf(schema, extension) {
    const { id: core, attributes: own } = described(schema);
    const shape = { id: core, tree: treeOf(own), extensions: new Map() };
    if (extension) {
        const { id, attributes } = described(extension);
        const holder = { name: id, multiple: false, sub: treeOf(attributes) };
        shape.extensions.set(id.toLowerCase(), holder);
    }
    return shape;
}

export const SHAPES = {
    User: shapeOf(SCIMMY.Schemas.User, SCIMMY.Schemas.EnterpriseUser),
    Group: shapeOf(SCIMMY.Schemas.Group)
};

/** The attribute of that name at the top level of a resource, or undefined. */
export function attributeOf(type, name) {
    const key = name.toLowerCase();
    return SHAPES[type].extensions.get(key) ?? SHAPES[type].tree.get(key);
}

/** Refuses names that no schema knows, in VALUE and all below it. */
export function refuseUnknown(value, tree, where) {
    if (!tree) return;
    for (const each of Array.isArray(value) ? value : [value]) {
        if (!isObject(each)) continue;
        for (const [name, sub] of Object.entries(each)) {
            const known = tree.get(name.toLowerCase());
            if (!known) throw new Refusal(400, "invalidValue", `unknown attribute '${where}${name}'`);
            refuseUnknown(sub, known.sub, `${where}${name}.`);
        }
    }
}

/** The same at the top level of a resource, or of a PATCH value without path. */
export function refuseUnknownAttributes(type, body) {
    for (const [name, value] of Object.entries(body)) {
        if (COMMON.has(name.toLowerCase())) continue;
        const known = attributeOf(type, name);
        if (!known) throw new Refusal(400, "invalidValue", `unknown attribute '${name}'`);
        refuseUnknown(value, known.sub, `${name}.`);
    }
}

function copyOne(value, attribute) {
    if (attribute.sub) {
        if (!isObject(value)) throw UNDECIDED;
        const copy = {};
        for (const [name, inner] of Object.entries(value)) {
            const known = attribute.sub.get(name.toLowerCase());
            if (!known.read_only) copy[known.name] = copyValue(inner, known);
        }
        return copy;
    }
    if (typeof value !== attribute.plain_type || value === "") throw UNDECIDED;
    if (attribute.canonical && !attribute.canonical.has(value)) throw UNDECIDED;
    return value;
}

function copyValue(value, attribute) {
    if (!attribute.multiple) return copyOne(value, attribute);
    if (!Array.isArray(value) || value.length === 0) throw UNDECIDED;
    return value.map((each) => copyOne(each, attribute));
}

/** A copy of what a client may set of BODY, whose names are all known; null
 * when SCIMMY has to decide. */
export function copyPlain(type, body) {
    try {
        if (!body.schemas.includes(SHAPES[type].id)) return null;
        const copy = {};
        for (const [name, value] of Object.entries(body)) {
            const attribute = attributeOf(type, name);
            if (name === "externalId" && typeof value === "string" && value !== "") copy.externalId = value;
            else if (attribute === undefined && !IGNORED.has(name)) return null;
            else if (attribute && !attribute.read_only) copy[attribute.name] = copyValue(value, attribute);
        }
        return copy;
    } catch (undecided) {
        if (undecided !== UNDECIDED) throw undecided;
        return null;
    }
}
