#include "node/source/ad_watermark.h"

#define MAGIC      "AD1"
#define MAGIC_SIZE (sizeof MAGIC - 1)
#define USN_SIZE   8
/* Up to the name of the controller. */
#define HEAD_SIZE (MAGIC_SIZE + 1 + DIRSYNC_GUID_SIZE + USN_SIZE + 1)

size_t ad_watermark_print(const struct ad_watermark *watermark,
                          uint8_t text[static AD_WATERMARK_MAX])
{
    size_t name = strlen(watermark->dc);
    uint8_t *out = text;
    memcpy(out, MAGIC, MAGIC_SIZE);
    out += MAGIC_SIZE;
    *out++ = watermark->shown ? 1 : 0;
    memcpy(out, watermark->invocation, DIRSYNC_GUID_SIZE);
    out += DIRSYNC_GUID_SIZE;
    for (int i = 0; i < USN_SIZE; i++) {
        *out++ = (uint8_t) (watermark->usn >> (56 - 8 * i));
    }
    *out++ = (uint8_t) name;
    memcpy(out, watermark->dc, name);
    out += name;
    if (watermark->cookie.size > 0) {
        memcpy(out, watermark->cookie.data, watermark->cookie.size);
    }
    return HEAD_SIZE + name + watermark->cookie.size;
}

enum ts_code ad_watermark_parse(struct ts_slice text,
                                struct ad_watermark *ret_watermark,
                                struct ts_err *err)
{
    const uint8_t *at = text.data;
    size_t name = text.size < HEAD_SIZE ? 0 : at[HEAD_SIZE - 1];
    if (text.size <= HEAD_SIZE + name || text.size > AD_WATERMARK_MAX ||
        memcmp(at, MAGIC, MAGIC_SIZE) != 0 || at[MAGIC_SIZE] > 1 ||
        memchr(at + HEAD_SIZE, 0, name) != NULL ||
        text.size - HEAD_SIZE - name > DIRSYNC_COOKIE_MAX) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot use a watermark that is not one of ours");
    }
    struct ad_watermark *watermark = ret_watermark;
    *watermark = (struct ad_watermark){ .shown = at[MAGIC_SIZE] == 1 };
    at += MAGIC_SIZE + 1;
    memcpy(watermark->invocation, at, DIRSYNC_GUID_SIZE);
    at += DIRSYNC_GUID_SIZE;
    for (int i = 0; i < USN_SIZE; i++) {
        watermark->usn = watermark->usn << 8 | *at++;
    }
    at++;
    memcpy(watermark->dc, at, name);
    watermark->cookie = ts_slice(at + name, text.size - HEAD_SIZE - name);
    return TS_OK;
}
