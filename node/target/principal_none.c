/* A target that cannot fence: the configuration's credential, and no claim. */
#include <stdio.h>

#include "node/target/principal_private.h"

static enum ts_code none_probe(struct principal_keeper *keeper,
                               struct ts_err *err)
{
    (void) keeper, (void) err;
    return TS_OK;
}

static enum ts_code none_mint(struct principal_keeper *keeper,
                              struct principal *principal, struct ts_err *err)
{
    const struct config_oauth *oauth = keeper->options.target->oauth;
    (void) err;
    (void) snprintf(principal->id, sizeof principal->id, "%s",
                    oauth == NULL ? "static token" : oauth->client_id);
    return TS_OK;
}

static enum ts_code none_unmint(struct principal_keeper *keeper,
                                const struct principal *principal,
                                struct ts_err *err)
{
    (void) keeper, (void) principal, (void) err;
    return TS_OK;
}

static enum ts_code none_fence(struct principal_keeper *keeper,
                               const struct principal *own,
                               struct principal_fencing *fencing,
                               struct ts_err *err)
{
    (void) keeper, (void) own, (void) err;
    fencing->state = PRINCIPAL_UNFENCED;
    (void) snprintf(fencing->text, sizeof fencing->text,
                    "not fenced: the target cannot revoke the credential of "
                    "%s, so that only its lease keeps it from writing",
                    fencing->row->node);
    return TS_OK;
}

const struct principal_kind_row principal_kind_none = {
    .probe = none_probe,
    .mint = none_mint,
    .unmint = none_unmint,
    .fence = none_fence,
};
