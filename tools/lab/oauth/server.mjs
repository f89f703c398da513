/*
 * The lab's OAuth 2.0 server: oidc-provider with client credentials (by secret
 * and by private_key_jwt), introspection, revocation, dynamic registration and
 * its management. Started by `lab`; the only argument is its settings file.
 *
 * Tokens are opaque and live as long as the option token_seconds says when
 * they are issued.
 */
import Provider from "oidc-provider";
import { TokenStore } from "./adapter.mjs";
import { listenControl } from "../common/control.mjs";
import { Ended, Exchange } from "../common/exchange.mjs";
import { Faults } from "../common/faults.mjs";
import { RequestLog, now_us } from "../common/request-log.mjs";
import { listen, readSettings } from "../common/service.mjs";

const settings = readSettings();
/*
 * token_seconds       the life of tokens issued from now on
 * token_lag_seconds   how long the tokens of a deleted client go on
 * introspection       "own": a client may ask about its own tokens, for others
 *                     they are inactive (RFC 7662 section 2.2); "any": about all
 * expires_in          false: answers do not say how long a token lives
 */
const DEFAULTS = {
    token_seconds: settings.token_seconds, token_lag_seconds: 0, introspection: "own", expires_in: true
};
const options = { ...DEFAULTS };
const store = new TokenStore(settings.store_file, () => options.token_lag_seconds * 1000);
const GRANTS = ["client_credentials"];

function machineClient({ client_id, method, secret, jwks }) {
    return {
        client_id, client_secret: secret, jwks,
        grant_types: GRANTS, response_types: [], redirect_uris: [],
        token_endpoint_auth_method: method,
        ...(method === "private_key_jwt" && { token_endpoint_auth_signing_alg: jwks.keys[0].alg })
    };
}

const provider = new Provider(settings.issuer, {
    adapter: store.adapter(),
    jwks: settings.jwks,
    cookies: { keys: [settings.cookie_key] },
    clients: [
        ...settings.clients.map(machineClient),
        {
            client_id: settings.resource_server.client_id,
            client_secret: settings.resource_server.secret,
            grant_types: [], response_types: [], redirect_uris: [],
            token_endpoint_auth_method: "client_secret_basic"
        }
    ],
    scopes: ["scim"],
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
    enabledJWA: { clientAuthSigningAlgValues: ["RS256", "PS256", "ES256"] },
    features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: {
            enabled: true,
            allowedPolicy: (_, client, token) => client.clientId === token.clientId
                || client.clientId === settings.resource_server.client_id
                || options.introspection === "any"
        },
        revocation: { enabled: true },
        registration: { enabled: true, initialAccessToken: settings.initial_access_token },
        registrationManagement: { enabled: true, rotateRegistrationAccessToken: false },
        resourceIndicators: { enabled: false }
    },
    ttl: { ClientCredentials: () => options.token_seconds }
});

const server = {
    faults: new Faults(),
    log: new RequestLog(settings.log_file),
    durable: () => store.durable(),
    error_type: "application/json",
    error: (status) => JSON.stringify({ error: status < 500 ? "invalid_client" : "server_error" })
};

/* The token endpoint alone may keep silent about how long a token lives. */
provider.use(async (ctx, next) => {
    await next();
    if (!options.expires_in && ctx.oidc?.route === "token") delete ctx.body?.expires_in;
});

const answer = provider.callback();

async function handle(request, response) {
    const exchange = new Exchange(request, response, server);
    exchange.admitted_us = now_us();
    request.exchange = exchange;
    try {
        await server.faults.before(exchange);
        await answer(request, response);
    } catch (error) {
        if (!(error instanceof Ended)) throw error;
    }
}

provider.on("grant.success", (ctx) => { ctx.req.exchange.client = ctx.oidc.client.clientId; });
provider.on("server_error", (_, error) => console.error("server error:", error));
await listenControl(settings.control_port, server.faults, {
    get: () => options,
    set: (changes) => Object.assign(options, changes),
    reset: () => Object.assign(options, DEFAULTS)
});
await listen(settings, handle);
console.log("ready");
