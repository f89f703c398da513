/*
 * validate -- what a strict provider refuses in a resource or a PATCH.
 *
 * SCIMMY checks types, required attributes and paths; it drops what it does not
 * know and does not insist on `schemas`. This module refuses those as well.
 */
import SCIMMY from "scimmy";
import { Refusal } from "./errors.mjs";
import { COMMON, SHAPES, attributeOf, copyPlain, isObject, refuseUnknown, refuseUnknownAttributes } from "./shape.mjs";

const REQUIRED = { User: "userName", Group: "displayName" };

function checkSchemas(type, body) {
    if (!Array.isArray(body.schemas)) throw new Refusal(400, "invalidSyntax", "'schemas' is missing");
    for (const id of SHAPES[type].extensions.keys()) {
        const used = Object.keys(body).some((name) => name.toLowerCase() === id);
        if (used && !body.schemas.some((each) => String(each).toLowerCase() === id))
            throw new Refusal(400, "invalidSyntax", `'schemas' does not name ${id}`);
    }
}

function coerce(type, body) {
    try {
        const plain = JSON.parse(JSON.stringify(new SCIMMY.Schemas[type](body, "in")));
        for (const name of ["schemas", "id", "meta", "groups"]) delete plain[name];
        return plain;
    } catch (error) {
        throw error instanceof TypeError ? new Refusal(400, "invalidValue", error.message) : error;
    }
}

/** A resource as it will be stored: plain, only what a client may set. */
export function checkResource(type, body) {
    if (!isObject(body)) throw new Refusal(400, "invalidSyntax", "expected one JSON object");
    checkSchemas(type, body);
    refuseUnknownAttributes(type, body);
    const required = REQUIRED[type];
    let plain = copyPlain(type, body);
    if (plain?.[required] === undefined) plain = coerce(type, body);
    if (plain[required].trim() === "") throw new Refusal(400, "invalidValue", `'${required}' is blank`);
    return plain;
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
            refuseUnknown(value, treeAt(type, path), `${path}.`);
        }
}

/* What PATH may hold, as far as it is one attribute; else undefined: not checked. */
function treeAt(type, path) {
    const [, urn, name] = /^(urn:.*:)?([^.[:]+)(?:\[.*\])?$/i.exec(path) ?? [];
    if (name === undefined) return undefined;
    const extension = urn && SHAPES[type].extensions.get(urn.slice(0, -1).toLowerCase());
    return (extension ? extension.sub.get(name.toLowerCase()) : attributeOf(type, name))?.sub;
}

/** Whether a filter may name this attribute. */
export function isAttribute(type, path) {
    const [name] = path.split(/[.[]/);
    return COMMON.has(name.toLowerCase()) || attributeOf(type, name) !== undefined
        || [...SHAPES[type].extensions.keys()].some((id) => path.toLowerCase().startsWith(id));
}
