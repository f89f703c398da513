/*
 * The lab's SCIM 2.0 provider. Started by `lab`; the only argument is its
 * settings file.
 *
 * SCIMMY is the protocol engine (schemas, coercion, PATCH, filters, discovery);
 * the routes that must not cost O(n) are answered here from the store's indexes:
 *
 *   request -> body -> token (auth) -> fault? -> route -> durable -> log -> answer
 */
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";
import { Authenticator } from "./auth.mjs";
import { Bulk } from "./bulk.mjs";
import { Refusal, errorBody } from "./errors.mjs";
import { Lists } from "./list.mjs";
import { Options } from "./options.mjs";
import { ENDPOINTS, Resources, etagMatches } from "./resources.mjs";
import { Store } from "./store.mjs";
import { listenControl } from "../common/control.mjs";
import { Ended, Exchange } from "../common/exchange.mjs";
import { Faults } from "../common/faults.mjs";
import { RequestLog, now_us } from "../common/request-log.mjs";
import { listen, readSettings } from "../common/service.mjs";

const BASE = "/scim/v2";
const MEDIA_TYPE = "application/scim+json";
const settings = readSettings();
const store = new Store(settings.store_file);
const options = new Options();
const resources = new Resources(store, options, settings.base_url);
const lists = new Lists(resources);
const auth = new Authenticator(settings.introspection);

const server = {
    faults: new Faults(),
    log: new RequestLog(settings.log_file),
    durable: () => store.durable(),
    expireToken: (exchange) => auth.expire(exchange.request),
    error_type: MEDIA_TYPE,
    error: (status) => JSON.stringify(errorBody({ status }))
};

/* ---- discovery and search, by scimmy-routers ---- */

for (const [endpoint, type] of Object.entries(ENDPOINTS))
    SCIMMY.Resources[type].egress((resource) => {
        if (resource.id) return resources.present(type, resources.find(type, resource.id));
        const rows = store.all(type).map((row) => resources.present(type, row));
        return resource.filter ? resource.filter.match(rows) : rows;
    }).basepath(`${settings.base_url}/${endpoint}`);

const discovery = express();
discovery.disable("x-powered-by");
discovery.set("etag", false);
discovery.use(BASE, new SCIMMYRouters({
    type: "bearer", handler: (request) => request.exchange.client,
    baseUri: () => new URL(settings.base_url).origin
}));
options.reset(); /* scimmy-routers has set its own */

/* ---- the resources ---- */

function give(exchange, status, body, headers = {}) {
    const { response } = exchange;
    response.statusCode = status;
    response.setHeader("Content-Type", MEDIA_TYPE);
    for (const [name, value] of Object.entries(headers))
        if (value !== undefined) response.setHeader(name, value);
    response.end(body === undefined ? undefined : JSON.stringify(body));
}

function giveRow(exchange, status, type, row) {
    exchange.ids.push(row.id);
    give(exchange, status, resources.present(type, row), {
        ETag: resources.etag(row),
        Location: status === 201 ? resources.location(type, row.id) : undefined
    });
}

function read(exchange, type, id, query) {
    const lag_ms = server.faults.find(exchange, "stale")?.ms ?? 0;
    if (id === undefined) return give(exchange, 200, lists.answer(type, query, lag_ms));
    const row = lists.aged(type, id, store.get(type, id), lag_ms);
    if (!row) throw new Refusal(404, undefined, `resource ${id} not found`);
    const known = exchange.request.headers["if-none-match"];
    const headers = { ETag: resources.etag(row) };
    exchange.ids.push(id);
    if (options.etag && known && etagMatches(known, row.version)) return give(exchange, 304, undefined, headers);
    return give(exchange, 200, lists.projection(type, query)(row), headers);
}

const WRITERS = {
    POST(exchange, type) {
        const row = resources.create(type, exchange.body);
        exchange.effect_us = now_us();
        giveRow(exchange, 201, type, row);
    },
    PUT(exchange, type, id, if_match) {
        const row = resources.replace(type, id, exchange.body, if_match);
        exchange.effect_us = now_us();
        giveRow(exchange, 200, type, row);
    },
    async PATCH(exchange, type, id, if_match) {
        const row = await resources.patch(type, id, exchange.body, if_match);
        exchange.touch(id);
        if (type === "Group") give(exchange, 204, undefined, { ETag: resources.etag(row) });
        else give(exchange, 200, resources.present(type, row), { ETag: resources.etag(row) });
    },
    DELETE(exchange, type, id, if_match) {
        resources.remove(type, id, if_match);
        exchange.touch(id);
        give(exchange, 204);
    }
};

async function route(exchange) {
    const { pathname, searchParams } = new URL(exchange.url, settings.base_url);
    if (exchange.method === "POST" && pathname === `${BASE}/Bulk`)
        return give(exchange, 200, await new Bulk(resources, exchange, server.faults).answer(exchange.body));
    const [, endpoint, id] = /^\/scim\/v2\/(Users|Groups)(?:\/([^/.][^/]*))?$/.exec(pathname) ?? [];
    if (endpoint === undefined) return discovery(exchange.request, exchange.response);
    const type = ENDPOINTS[endpoint];
    const name = id === undefined ? undefined : decodeURIComponent(id);
    if (exchange.method === "GET") return read(exchange, type, name, searchParams);
    const write = WRITERS[exchange.method];
    if (!write || (exchange.method === "POST") !== (id === undefined))
        throw new Refusal(405, undefined, `${exchange.method} does not apply to ${pathname}`);
    return write(exchange, type, name, exchange.request.headers["if-match"]);
}

/* ---- one request ---- */

async function readBody(exchange) {
    const { method, request, url } = exchange;
    const limit = url.endsWith("/Bulk") ? options.bulk_bytes_max : options.body_bytes_max;
    const text = await exchange.read(limit);
    if (text === null) throw new Refusal(413, undefined, `more than ${limit} bytes`);
    if (method === "GET" || method === "DELETE" || text === "") return undefined;
    const type = (request.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
    if (type !== MEDIA_TYPE && type !== "application/json")
        throw new Refusal(415, undefined, `'${type}' is not ${MEDIA_TYPE}`);
    try {
        return JSON.parse(text);
    } catch (error) {
        throw new Refusal(400, "invalidSyntax", error.message);
    }
}

function refuse(exchange, error) {
    const refusal = error.status ? error : new Refusal(500, undefined, "internal error");
    if (!error.status) console.error("internal error:", error);
    give(exchange, refusal.status, errorBody(refusal),
        refusal.status === 401 ? { "WWW-Authenticate": 'Bearer error="invalid_token"' } : {});
}

async function handle(request, response) {
    const exchange = new Exchange(request, response, server);
    try {
        const body = await readBody(exchange).catch((error) => error);
        if (request.aborted) return; /* the client is gone, its request incomplete */
        exchange.client = await auth.admit(request);
        exchange.admitted_us = now_us();
        if (body instanceof Error) throw body;
        exchange.body = request.body = body;
        request._body = true; /* express: parsed already */
        request.exchange = exchange;
        await server.faults.before(exchange);
        await route(exchange);
    } catch (error) {
        if (!(error instanceof Ended)) refuse(exchange, error);
    }
}

const empty = async () => {
    store.empty();
    await store.durable();
};
await listenControl(settings.control_port, server.faults, options, { "DELETE /resources": empty });
await listen(settings, handle);
console.log("ready");
