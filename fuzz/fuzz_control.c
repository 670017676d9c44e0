/*
 * fuzz_control.c - any bytes on the control socket: requests in pieces, as they come, against a server without a machine; the same bytes as an
 * answer to a client. The first byte says how long the pieces are.
 */
#include "control/connection.h"
#include "control/route.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void requests(const char *bytes, size_t n, size_t piece)
{
    static struct control_server server;
    control_server_init(&server, NULL, NULL);
    hub_init(&server.hub, -1, -1, -1);
    struct connection *c = connection_create(&server, -1);
    for (size_t at = 0; c && at < n && !c->dead && !c->closing;) {
        size_t now = n - at < piece ? n - at : piece, taken = connection_feed(c, bytes + at, now);
        at += taken;
        c->out_n = c->out_at = 0; /* it is read */
        if (!taken)
            break;
    }
    if (c)
        connection_destroy(c);
    hub_finish(&server.hub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer a;
    if (size < 1)
        return 0;
    requests((const char *)data + 1, size - 1, data[0] ? data[0] : 65536);
    http_parse_answer((const char *)data + 1, size - 1, &a);
    return 0;
}
