/*
 * normalise -- a provider that stores something else than it was sent.
 *
 * The option is {lower: [path…], trim: [path…], reorder: [path…], drop: [path…]};
 * a path is an attribute, "attribute.sub" (in each value of a multi-valued one),
 * or for the enterprise extension "enterprise.department".
 */
const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

const CHANGES = {
    lower: (value) => (typeof value === "string" ? value.toLowerCase() : value),
    trim: (value) => (typeof value === "string" ? value.trim() : value),
    reorder: (value) => (Array.isArray(value) ? [...value].reverse() : value),
    drop: () => undefined
};

function changeAt(holder, [name, ...rest], change) {
    if (Array.isArray(holder)) holder.forEach((each) => changeAt(each, [name, ...rest], change));
    else if (holder?.[name] === undefined) return;
    else if (rest.length > 0) changeAt(holder[name], rest, change);
    else holder[name] = change(holder[name]);
}

/** Changes BODY, the provider's own copy, in place. */
export function normalise(body, option) {
    for (const [kind, change] of Object.entries(CHANGES))
        for (const path of option?.[kind] ?? [])
            changeAt(body, path.split(".").map((name) => (name === "enterprise" ? ENTERPRISE : name)), change);
    return body;
}
