#include "config.h"

#include "analyze/webhook.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/http_fetch.h"
#include "base/timestamp.h"

#define PAUSE_MAX_S 60

char *webhook_sign(struct str secret, struct str timestamp, struct str body,
                   char ret[static WEBHOOK_SIGNATURE_BYTES])
{
    CLEANUP(buf_release) struct buf message = { 0 };
    uint8_t mac[SHA256_BYTES];

    buf_addf(&message, "%.*s.", STR_ARG(timestamp));
    buf_add_str(&message, body);
    hmac_sha256(secret, buf_str(&message), mac);
    memcpy(ret, "sha256=", 7);
    hex_encode(mac, sizeof(mac), ret + 7);
    return ret;
}

static bool is_worth_another(unsigned status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

/* 1 = taken; 0 = worth another try; -1 = refused. */
static int try_once(const struct webhook *w, const struct http_url *url, struct str body,
                    struct err *err)
{
    CLEANUP(http_fetch_close) struct http_fetch *fetch = NULL;
    struct http_fetch_options options = { .url = *url,
                                          .ca_path = w->ca_path,
                                          .idle_us = (uint64_t)w->timeout_us };
    char timestamp[24], signature[WEBHOOK_SIGNATURE_BYTES], delivery[SHA256_HEX_BYTES];
    struct http_fetch_answer answer;
    uint8_t hash[SHA256_BYTES];

    if (http_fetch_open(&options, &fetch, err) < 0)
        return 0;
    snprintf(timestamp, sizeof(timestamp), "%lld",
             (long long)(http_fetch_now_us(fetch) / US_PER_SECOND));
    webhook_sign(w->secret, str_from(timestamp), body, signature);
    sha256_of(body, hash);
    hex_encode(hash, sizeof(hash), delivery);
    const struct http_fetch_header headers[] = {
        {STR("Content-Type"),      STR("application/json")},
        { STR("User-Agent"),       STR("weir")            },
        { STR("X-Weir-Delivery"),  str_from(delivery)     },
        { STR("X-Weir-Timestamp"), str_from(timestamp)    },
        { STR("X-Weir-Signature"), str_from(signature)    },
    };
    struct http_fetch_request request = { .method = STR("POST"),
                                          .target = url->target,
                                          .headers = headers,
                                          .header_count = ARRAY_LEN(headers) - (w->secret.len == 0),
                                          .body = body };
    if (http_fetch(fetch, &request, &answer, err) < 0)
        return 0;
    unsigned status = answer.head->status;
    if (status >= 200 && status < 300)
        return 1;
    err_set(err, ERR_SYS, "%.*s answered %u", STR_ARG(url->authority), status);
    return is_worth_another(status) ? 0 : -1;
}

static void wait_before(int tries)
{
    struct timespec pause = { .tv_sec = tries < 7 ? 1 << (tries - 1) : PAUSE_MAX_S };

    nanosleep(&pause, NULL);
}

int webhook_post(const struct webhook *w, struct str body, struct err *err)
{
    struct http_url url;
    int r = 0, tries = 0;

    if (http_url_parse(w->url, &url, err) < 0)
        return -1;
    while (r == 0 && tries < w->tries) {
        if (tries > 0)
            wait_before(tries);
        r = try_once(w, &url, body, err);
        tries++;
    }
    return r > 0 ? 0 : err_wrap(err, "tried %d time%s", tries, tries == 1 ? "" : "s");
}
