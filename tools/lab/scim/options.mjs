/*
 * options -- what the provider offers and how it behaves; set through the
 * control port, shown in /ServiceProviderConfig.
 */
import SCIMMY from "scimmy";

const DEFAULTS = {
    etag: true,
    patch: true,
    bulk: true,
    bulk_operations_max: 1000,
    bulk_bytes_max: 10 << 20,
    body_bytes_max: 32 << 20,
    page_default: 100,
    page_max: 1000,
    normalise: {}
};

export class Options {
    constructor() {
        this.reset();
    }

    get() {
        return { ...this };
    }

    set(changes) {
        for (const name of Object.keys(changes))
            if (!(name in DEFAULTS)) throw new Error(`cannot set the option ${name}: there is none`);
        Object.assign(this, changes);
        this.#publish();
        return this.get();
    }

    reset() {
        Object.assign(this, DEFAULTS);
        this.#publish();
    }

    #publish() {
        SCIMMY.Config.set({
            etag: this.etag, patch: this.patch, sort: false, changePassword: false,
            filter: { supported: true, maxResults: this.page_max },
            bulk: {
                supported: this.bulk, maxOperations: this.bulk_operations_max,
                maxPayloadSize: this.bulk_bytes_max
            }
        });
    }
}
