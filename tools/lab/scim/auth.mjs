/*
 * auth -- bearer tokens, asked of the OAuth server by introspection (RFC 7662)
 * for every single request. Nothing is remembered: a token that ends there ends
 * here with the next request.
 */
import fs from "node:fs";
import https from "node:https";
import { Refusal } from "./errors.mjs";

const CONNECTIONS_MAX = 64;
const ANSWER_MAX_BYTES = 64 << 10;

export class Authenticator {
    #expired = new Set(); /* by the fault "expire-token" */
    #options;

    constructor({ introspection_url, client_id, secret, ca_file }) {
        const url = new URL(introspection_url);
        this.#options = {
            host: url.hostname, port: url.port, path: url.pathname, method: "POST",
            ca: fs.readFileSync(ca_file),
            agent: new https.Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX }),
            headers: {
                "Content-Type": "application/x-www-form-urlencoded",
                Authorization: "Basic " + Buffer.from(`${client_id}:${secret}`).toString("base64")
            }
        };
    }

    #introspect(token) {
        const body = `token_type_hint=client_credentials&token=${encodeURIComponent(token)}`;
        return new Promise((resolve, reject) => {
            const request = https.request(this.#options, (response) => {
                let text = "";
                response.setEncoding("utf8");
                response.on("data", (chunk) => {
                    text += chunk;
                    if (text.length > ANSWER_MAX_BYTES) request.destroy(new Error("answer too large"));
                });
                response.on("end", () => {
                    try {
                        resolve(JSON.parse(text));
                    } catch (error) {
                        reject(error);
                    }
                });
                response.on("error", reject);
            });
            request.on("error", reject);
            request.setHeader("Content-Length", Buffer.byteLength(body));
            request.end(body);
        });
    }

    /** The client's id, or a refusal with 401 (503 when nobody can be asked). */
    async admit(request) {
        const token = bearer(request);
        if (!token || this.#expired.has(token)) throw new Refusal(401, undefined, "the token is missing or expired");
        let answer;
        try {
            answer = await this.#introspect(token);
        } catch (error) {
            throw new Refusal(503, undefined, `could not ask the authorization server: ${error.message}`);
        }
        if (answer.active !== true) throw new Refusal(401, undefined, "the token is not active");
        return answer.client_id;
    }

    expire(request) {
        this.#expired.add(bearer(request));
    }
}

function bearer(request) {
    return /^Bearer ([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? "")?.[1];
}
