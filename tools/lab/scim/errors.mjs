/* errors -- refusals in the form of RFC 7644, section 3.12. */
const SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error";

export class Refusal extends Error {
    constructor(status, scimType, detail) {
        super(detail);
        this.status = status;
        this.scimType = scimType;
    }
}

export function errorBody({ status, scimType, message }) {
    return {
        schemas: [SCHEMA], status: String(status),
        ...(scimType && { scimType }), ...(message && { detail: message })
    };
}
