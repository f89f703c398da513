#include "node/ldap/tls_reason.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static bool verify(X509 *certificate, const char *ca_file,
                   char text[static LDAP_TLS_REASON_MAX])
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool bad = false;
    if (store == NULL || context == NULL) {
        bad = false;
    } else if (X509_STORE_load_file(store, ca_file) != 1) {
        (void) snprintf(text, LDAP_TLS_REASON_MAX,
                        "the CA file %s holds no usable certificate", ca_file);
        bad = true;
    } else if (X509_STORE_CTX_init(context, store, certificate, NULL) == 1 &&
               X509_verify_cert(context) != 1) {
        int error = X509_STORE_CTX_get_error(context);
        bool expired = error == X509_V_ERR_CERT_HAS_EXPIRED;
        bool early = error == X509_V_ERR_CERT_NOT_YET_VALID;
        const char *words = expired ? "its certificate has expired"
                            : early
                                ? "its certificate is not valid yet"
                                : "its certificate is not signed by a CA in";
        (void) snprintf(text, LDAP_TLS_REASON_MAX, "%s%s%s (%s)", words,
                        expired || early ? "" : " ",
                        expired || early ? "" : ca_file,
                        X509_verify_cert_error_string(error));
        bad = true;
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return bad;
}

bool ldap_tls_reason(struct ts_slice der, const char *host, const char *ca_file,
                     char text[static LDAP_TLS_REASON_MAX])
{
    const unsigned char *bytes = der.data;
    X509 *certificate = d2i_X509(NULL, &bytes, (long) der.size);
    if (certificate == NULL) {
        ERR_clear_error();
        return false;
    }
    bool bad = verify(certificate, ca_file, text);
    if (!bad && X509_check_ip_asc(certificate, host, 0) != 1 &&
        X509_check_host(certificate, host, 0, 0, NULL) != 1) {
        (void) snprintf(text, LDAP_TLS_REASON_MAX,
                        "its certificate does not name \"%s\"", host);
        bad = true;
    }
    X509_free(certificate);
    ERR_clear_error();
    return bad;
}
