/*
 * resources -- create, replace, patch, remove: the rules of the provider, for
 * single requests and for the operations of a Bulk request alike.
 *
 * Every function takes effect at once, or throws a refusal without any effect.
 * The async ones wait for nothing but promises that are resolved already: no
 * other request runs in between, so reading and writing are one step.
 */
import crypto from "node:crypto";
import SCIMMY from "scimmy";
import { Refusal } from "./errors.mjs";
import { MemberPatch, existing } from "./members.mjs";
import { normalise } from "./normalise.mjs";
import { checkPatch, checkResource } from "./validate.mjs";

const CORE = "urn:ietf:params:scim:schemas:core:2.0:";
const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
export const ENDPOINTS = { Users: "User", Groups: "Group" };

export class Resources {
    /** base_url: of the service, for locations */
    constructor(store, options, base_url) {
        this.store = store;
        this.options = options;
        this.base_url = base_url;
    }

    location(type, id) {
        return `${this.base_url}/${type}s/${id}`;
    }

    etag(row) {
        return this.options.etag ? `W/"${row.version}"` : undefined;
    }

    /** What a client is shown; without members when `lean`. */
    present(type, row, lean = false) {
        const shown = {
            schemas: row.body[ENTERPRISE] ? [CORE + type, ENTERPRISE] : [CORE + type],
            id: row.id, ...row.body,
            meta: {
                resourceType: type, created: row.created, lastModified: row.modified,
                location: this.location(type, row.id), version: this.etag(row)
            }
        };
        if (row.members && !lean) shown.members = [...row.members].map(([value, kind]) => ({ value, type: kind }));
        return shown;
    }

    /** The row, or a refusal: 404, or 412 when IF_MATCH does not name its version. */
    find(type, id, if_match) {
        const row = this.store.get(type, id);
        if (!row) throw new Refusal(404, undefined, `resource ${id} not found`);
        if (this.options.etag && if_match && !etagMatches(if_match, row.version))
            throw new Refusal(412, undefined, `the version is ${this.etag(row)}`);
        return row;
    }

    create(type, input) {
        const { body, members } = this.#accept(type, input, undefined);
        const row = this.store.create(type, crypto.randomUUID(), body);
        if (type === "Group") this.store.changeMembers(row.id, members, []);
        return this.store.get(type, row.id);
    }

    replace(type, id, input, if_match) {
        const row = this.find(type, id, if_match);
        const { body, members } = this.#accept(type, input, row);
        this.#store(type, row, body);
        if (type === "Group") {
            const wanted = new Set(members);
            this.store.changeMembers(id, members, [...row.members.keys()].filter((each) => !wanted.has(each)));
        }
        return this.store.get(type, id);
    }

    async patch(type, id, message, if_match) {
        if (!this.options.patch) throw new Refusal(501, undefined, "PATCH is not supported");
        const row = this.find(type, id, if_match);
        checkPatch(type, message);
        const members = type === "Group" ? new MemberPatch(this.store, row) : null;
        const others = members ? members.take(message.Operations) : message.Operations;
        if (others.length > 0) {
            const body = await this.#patched(type, row, { ...message, Operations: others });
            this.#store(type, row, body);
        }
        if (members) this.store.changeMembers(id, [...members.added], [...members.removed]);
        return this.store.get(type, id);
    }

    remove(type, id, if_match) {
        this.find(type, id, if_match);
        this.store.remove(type, id);
    }

    async #patched(type, row, message) {
        const Schema = SCIMMY.Schemas[type];
        const shown = new Schema(this.present(type, row, true), "out", this.base_url);
        let result = shown;
        try {
            await new SCIMMY.Messages.PatchOp(message).apply(shown, (target) => (result = target));
        } catch (error) {
            throw error instanceof TypeError ? new Refusal(400, "invalidValue", error.message) : error;
        }
        const body = JSON.parse(JSON.stringify(result));
        body.schemas = Object.keys(body).some((name) => name === ENTERPRISE) ? [CORE + type, ENTERPRISE] : [CORE + type];
        delete body.members;
        return this.#accept(type, body, row).body;
    }

    /* Checked, normalised, unique, its references exist. */
    #accept(type, input, row) {
        const { members, ...body } = checkResource(type, input);
        normalise(body, this.options.normalise);
        const taken = this.store.taken(type, row?.id, body);
        if (taken) throw new Refusal(409, "uniqueness", `${taken} is in use already`);
        const manager = body[ENTERPRISE]?.manager?.value;
        if (manager !== undefined && manager !== row?.body[ENTERPRISE]?.manager?.value && !this.store.get("User", manager))
            throw new Refusal(400, "invalidValue", `manager ${manager} does not exist`);
        return { body, members: (members ?? []).map((each) => existing(this.store, each)) };
    }

    #store(type, row, body) {
        if (JSON.stringify(body) !== JSON.stringify(row.body)) this.store.replace(type, row.id, body);
    }
}

export function etagMatches(header, version) {
    return header.split(",").some((each) => {
        const tag = each.trim();
        return tag === "*" || tag.replace(/^W\//, "") === `"${version}"`;
    });
}
