/*
 * adapter -- where oidc-provider keeps its clients and tokens, durably.
 *
 * Deleting a client deletes its tokens with it: the product alone would leave
 * them valid until they expire. Some servers do; with lag_ms() above 0 this one
 * leaves them valid for so long, or until they expire if that is sooner.
 */
import { Journal } from "../common/journal.mjs";

const REWRITE_RECORDS_MIN = 10_000;

export class TokenStore {
    #rows = new Map();
    #journal;
    #lag_ms;

    constructor(file, lag_ms = () => 0) {
        this.#lag_ms = lag_ms;
        this.#journal = new Journal(file, ({ key, row }) => this.#apply(key, row));
        this.#drop((row) => row.expires_ms && row.expires_ms < Date.now());
        if (this.#journal.records > REWRITE_RECORDS_MIN && this.#journal.records > 2 * this.#rows.size)
            this.#journal.rewrite([...this.#rows].map(([key, row]) => ({ key, row })));
    }

    #apply(key, row) {
        if (row) this.#rows.set(key, row);
        else this.#rows.delete(key);
    }

    #drop(unwanted) {
        for (const [key, row] of this.#rows) if (unwanted(row, key)) this.set(key, null);
    }

    get(key) {
        return this.#rows.get(key);
    }

    set(key, row) {
        this.#apply(key, row);
        this.#journal.append({ key, row });
    }

    durable() {
        return this.#journal.durable();
    }

    /** Ends the rows that `unwanted` names, with the lag. */
    endWhere(unwanted) {
        const end_ms = Date.now() + this.#lag_ms();
        if (this.#lag_ms() <= 0) return this.#drop(unwanted);
        for (const [key, row] of this.#rows)
            if (unwanted(row, key)) this.set(key, { ...row, expires_ms: Math.min(row.expires_ms || end_ms, end_ms) });
    }

    dropWhere(unwanted) {
        this.#drop(unwanted);
    }

    /** The class that oidc-provider instantiates once for each of its models. */
    adapter() {
        const store = this;
        return class {
            constructor(model) {
                this.model = model;
            }

            #key(id) {
                return `${this.model}:${id}`;
            }

            async upsert(id, payload, expires_in) {
                const expires_ms = expires_in ? Date.now() + expires_in * 1000 : 0;
                store.set(this.#key(id), { payload, expires_ms });
            }

            async find(id) {
                const row = store.get(this.#key(id));
                if (!row || (row.expires_ms && row.expires_ms <= Date.now())) return undefined;
                return row.payload;
            }

            async destroy(id) {
                store.set(this.#key(id), null);
                if (this.model !== "Client") return;
                const management = /^RegistrationAccessToken:/, tokens = /^(ClientCredentials|AccessToken):/;
                store.dropWhere((row, key) => management.test(key) && row.payload.clientId === id);
                store.endWhere((row, key) => tokens.test(key) && row.payload.clientId === id);
            }

            async consume(id) {
                const row = store.get(this.#key(id));
                const consumed = Math.floor(Date.now() / 1000);
                if (row) store.set(this.#key(id), { ...row, payload: { ...row.payload, consumed } });
            }

            async revokeByGrantId(grant) {
                store.dropWhere((row) => row.payload.grantId === grant);
            }

            async findByUid() {}
            async findByUserCode() {}
        };
    }
}
