/*
 * validate -- what a strict provider refuses in a resource or a PATCH.
 *
 * SCIMMY checks types, required attributes and paths; it drops what it does not
 * know and does not insist on `schemas`. This module refuses those as well.
 */
import SCIMMY from "scimmy";
import { Refusal } from "./errors.mjs";

SCIMMY.Resources.declare(SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false));
SCIMMY.Resources.declare(SCIMMY.Resources.Group);

const SCHEMAS = { User: SCIMMY.Schemas.User, Group: SCIMMY.Schemas.Group };
const COMMON = ["schemas", "id", "externalid", "meta"];

/* The definition as nested maps of lower-case names; null where it ends. */
function namesOf(attributes) {
    return new Map(attributes.map((each) => [
        each.name.toLowerCase(), each.subAttributes?.length ? namesOf(each.subAttributes) : null
    ]));
}

const NAMES = Object.fromEntries(Object.entries(SCHEMAS).map(([type, schema]) => {
    const definition = schema.definition.describe();
    return [type, namesOf(definition.attributes)];
}));
const EXTENSION = SCIMMY.Schemas.EnterpriseUser.definition.describe();
const EXTENSIONS = { User: new Map([[EXTENSION.id.toLowerCase(), namesOf(EXTENSION.attributes)]]), Group: new Map() };

const isObject = (value) => Object(value) === value && !Array.isArray(value);

function refuseUnknown(value, names, where) {
    if (names === null) return;
    for (const each of Array.isArray(value) ? value : [value]) {
        if (!isObject(each)) continue;
        for (const [name, sub] of Object.entries(each)) {
            if (!names.has(name.toLowerCase()))
                throw new Refusal(400, "invalidValue", `unknown attribute '${where}${name}'`);
            refuseUnknown(sub, names.get(name.toLowerCase()), `${where}${name}.`);
        }
    }
}

/* Every name at the top level of a resource, or of a PATCH value without path. */
function refuseUnknownAttributes(type, body) {
    for (const [name, value] of Object.entries(body)) {
        const key = name.toLowerCase();
        if (COMMON.includes(key)) continue;
        const names = EXTENSIONS[type].get(key) ?? (NAMES[type].has(key) ? NAMES[type].get(key) : undefined);
        if (names === undefined) throw new Refusal(400, "invalidValue", `unknown attribute '${name}'`);
        refuseUnknown(value, names, `${name}.`);
    }
}

/** A resource as it will be stored: plain, only what a client may set. */
export function checkResource(type, body) {
    if (!isObject(body)) throw new Refusal(400, "invalidSyntax", "expected one JSON object");
    if (!Array.isArray(body.schemas)) throw new Refusal(400, "invalidSyntax", "'schemas' is missing");
    refuseUnknownAttributes(type, body);
    for (const id of EXTENSIONS[type].keys()) {
        const used = Object.keys(body).some((name) => name.toLowerCase() === id);
        if (used && !body.schemas.some((each) => String(each).toLowerCase() === id))
            throw new Refusal(400, "invalidSyntax", `'schemas' does not name ${id}`);
    }
    try {
        const plain = JSON.parse(JSON.stringify(new SCHEMAS[type](body, "in")));
        for (const name of ["schemas", "id", "meta", "groups"]) delete plain[name];
        const name = type === "User" ? "userName" : "displayName";
        if (plain[name].trim() === "") throw new Refusal(400, "invalidValue", `'${name}' is blank`);
        return plain;
    } catch (error) {
        throw error instanceof TypeError ? new Refusal(400, "invalidValue", error.message) : error;
    }
}

/** A PATCH message; paths are left to SCIMMY, unknown names in values are not. */
export function checkPatch(type, message) {
    if (!isObject(message)) throw new Refusal(400, "invalidSyntax", "expected one JSON object");
    new SCIMMY.Messages.PatchOp(message);
    for (const { path, value } of message.Operations)
        if (path === undefined) {
            if (!isObject(value)) throw new Refusal(400, "invalidValue", "a value without path must be complex");
            refuseUnknownAttributes(type, value);
        } else {
            refuseUnknown(value, namesAt(type, path), `${path}.`);
        }
}

/* What PATH may hold, as far as it is one attribute; else null: not checked. */
function namesAt(type, path) {
    const [, urn, name] = /^(urn:.*:)?([^.[:]+)(?:\[.*\])?$/i.exec(path) ?? [];
    if (name === undefined) return null;
    const names = urn ? EXTENSIONS[type].get(urn.slice(0, -1).toLowerCase()) : NAMES[type];
    return names?.get(name.toLowerCase()) ?? null;
}

/** Whether a filter may name this attribute. */
export function isAttribute(type, path) {
    const [name] = path.split(/[.[]/);
    return COMMON.includes(name.toLowerCase()) || NAMES[type].has(name.toLowerCase())
        || [...EXTENSIONS[type].keys()].some((id) => path.toLowerCase().startsWith(id));
}
