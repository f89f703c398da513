/*
 * bulk -- RFC 7644, section 3.7: operations in order, each on its own, with
 * references from one to the id that another one gets ("bulkId:x").
 *
 * An operation that refers to a later one waits until that has run. What then
 * still waits refers to itself in a circle or to nothing, and is refused.
 */
import { Refusal, errorBody } from "./errors.mjs";
import { ENDPOINTS } from "./resources.mjs";
import { now_us } from "../common/request-log.mjs";

const REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
const REFERENCE = /"bulkId:([^"]+)"/g;

function check(body, options) {
    if (!options.bulk) throw new Refusal(501, undefined, "Bulk is not supported");
    if (!Array.isArray(body?.schemas) || !body.schemas.includes(REQUEST))
        throw new Refusal(400, "invalidSyntax", `'schemas' does not name ${REQUEST}`);
    if (!Array.isArray(body.Operations) || body.Operations.length === 0)
        throw new Refusal(400, "invalidValue", "'Operations' is missing or empty");
    if (body.Operations.length > options.bulk_operations_max)
        throw new Refusal(413, undefined, `more than ${options.bulk_operations_max} operations`);
}

function parse({ method, path, bulkId, data }) {
    const verb = String(method).toUpperCase();
    const [, endpoint, id] = /^\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
    const type = ENDPOINTS[endpoint];
    if (!["POST", "PUT", "PATCH", "DELETE"].includes(verb))
        throw new Refusal(400, "invalidValue", `'${method}' is not a method of Bulk`);
    if (!type || (verb === "POST") !== (id === undefined))
        throw new Refusal(400, "invalidValue", `'${path}' is not a path for ${verb}`);
    if (verb === "POST" && typeof bulkId !== "string")
        throw new Refusal(400, "invalidSyntax", "a POST needs a bulkId");
    if (verb !== "DELETE" && Object(data) !== data)
        throw new Refusal(400, "invalidSyntax", "'data' is missing");
    return { verb, type, id };
}

export class Bulk {
    #ids = new Map();    /* bulkId -> id of what it made */
    #failed = new Set(); /* bulkIds whose POST was refused */

    constructor(resources, exchange, faults) {
        this.resources = resources;
        this.exchange = exchange;
        this.faults = faults;
    }

    async answer(body) {
        check(body, this.resources.options);
        const results = new Array(body.Operations.length);
        let waiting = body.Operations.map((operation, index) => ({ operation, index }));
        let errors = 0;
        this.exchange.bulk = [];
        for (let progress = true; progress && waiting.length > 0;) {
            const later = [];
            for (const { operation, index } of waiting) {
                if (body.failOnErrors > 0 && errors >= body.failOnErrors) break;
                if (!this.#ready(operation)) {
                    later.push({ operation, index });
                    continue;
                }
                results[index] = await this.#run(operation);
                if (results[index].response) errors++;
            }
            progress = later.length < waiting.length;
            waiting = later;
        }
        for (const { operation, index } of waiting)
            results[index] = failed(operation, new Refusal(409, undefined, "a bulkId is circular or unknown"));
        return { schemas: [RESPONSE], Operations: results.filter((each) => each && !each.omitted) };
    }

    #references(operation) {
        return [...JSON.stringify([operation.data ?? null, operation.path]).matchAll(REFERENCE)].map(([, id]) => id);
    }

    #ready(operation) {
        return this.#references(operation).every((id) => this.#ids.has(id) || this.#failed.has(id));
    }

    #resolved(operation) {
        if (this.#references(operation).some((id) => this.#failed.has(id)))
            throw new Refusal(412, undefined, "an operation that this one refers to was refused");
        const text = JSON.stringify(operation.data ?? {});
        return JSON.parse(text.replace(REFERENCE, (_, id) => JSON.stringify(this.#ids.get(id))));
    }

    async #run(operation) {
        const fault = this.faults.find({
            method: operation.method, url: operation.path, text: JSON.stringify(operation)
        }, "bulk-operation");
        let result, id;
        try {
            if (fault && fault.when !== "after") throw new Refusal(fault.status);
            result = await this.#apply(operation);
            id = result.id;
            delete result.id;
        } catch (error) {
            if (!error.status) throw error;
            if (operation.method === "POST") this.#failed.add(operation.bulkId);
            result = failed(operation, error);
        }
        this.exchange.bulk.push({
            bulkId: operation.bulkId, method: operation.method, path: operation.path,
            status: Number(result.status), id, effect_us: id && now_us(), fault: fault?.type
        });
        if (fault?.omit) return { omitted: true };
        return fault?.when === "after" ? failed(operation, new Refusal(fault.status)) : result;
    }

    async #apply(operation) {
        const { verb, type, id } = parse(operation);
        const data = this.#resolved(operation);
        const { bulkId, method, version } = operation;
        let row;
        if (verb === "DELETE") this.resources.remove(type, id, version);
        else if (verb === "POST") row = this.resources.create(type, data);
        else if (verb === "PUT") row = this.resources.replace(type, id, data, version);
        else row = await this.resources.patch(type, id, data, version);
        const touched = row?.id ?? id;
        if (verb === "POST") this.#ids.set(bulkId, touched);
        this.exchange.touch(touched);
        return {
            method, bulkId, id: touched, location: this.resources.location(type, touched),
            version: row && this.resources.etag(row),
            status: verb === "POST" ? "201" : verb === "DELETE" ? "204" : "200"
        };
    }
}

function failed({ method, bulkId, path }, error) {
    return {
        method, bulkId, location: method === "POST" ? undefined : path,
        status: String(error.status), response: errorBody(error)
    };
}
