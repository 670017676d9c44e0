/* net_flows.c - see net_flows.h. TCP: RFC 9293, 3.1 and 3.10.7.1; IPv4: RFC 791; IPv6: RFC 8200. */
#include "backend/net_flows.h"

#include "base/bits.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { ETHERNET = 14, IPV4 = 20, IPV6 = 40, TCP = 20 };

struct segment {
    struct net_flow flow;
    uint8_t flags;
    uint32_t ack;
};

/* Where TCP begins in a frame, 0: nowhere. */
static size_t tcp_in(const uint8_t *frame, size_t n, bool *v6)
{
    const uint8_t *ip = frame + ETHERNET;
    if (n < ETHERNET + IPV4 + TCP)
        return 0;
    *v6 = be16_get(frame + 12) == 0x86dd;
    if (*v6)
        return n >= ETHERNET + IPV6 + TCP && ip[0] >> 4 == 6 && ip[6] == 6 ? ETHERNET + IPV6 : 0;
    size_t header = (ip[0] & 15) * 4u;
    bool good = be16_get(frame + 12) == 0x0800 && ip[0] >> 4 == 4 && header >= IPV4 && ip[9] == 6 && !(be16_get(ip + 6) & 0x1fff); /* the first fragment */
    return good && n >= ETHERNET + header + TCP ? ETHERNET + header : 0;
}

static bool read_segment(const uint8_t *frame, size_t n, bool from_guest, struct segment *s)
{
    bool v6;
    size_t at = tcp_in(frame, n, &v6);
    if (!at)
        return false;
    struct net_flow_key *k = &s->flow.key;
    const uint8_t *from = frame + ETHERNET + (v6 ? 8 : 12), *to = from + (v6 ? 16 : 4);
    size_t bytes = v6 ? 16 : 4;
    *s = (struct segment){.flow.key.v6 = v6, .flags = frame[at + 13], .ack = be32_get(frame + at + 8)};
    memcpy(k->guest, from_guest ? from : to, bytes);
    memcpy(k->peer, from_guest ? to : from, bytes);
    memcpy(k->guest_port, frame + at + (from_guest ? 0 : 2), 2);
    memcpy(k->peer_port, frame + at + (from_guest ? 2 : 0), 2);
    memcpy(s->flow.guest_mac, frame + (from_guest ? 6 : 0), 6);
    memcpy(s->flow.peer_mac, frame + (from_guest ? 0 : 6), 6);
    return true;
}

static struct net_flow *find(struct net_flows *f, const struct net_flow_key *k)
{
    for (size_t i = 0; i < f->n; i++)
        if (!memcmp(&f->flow[i].key, k, sizeof *k))
            return &f->flow[i];
    return NULL;
}

static void forget(struct net_flows *f, struct net_flow *x)
{
    f->n_ended -= x->ended;
    memmove(x, x + 1, (size_t)(f->flow + f->n - (x + 1)) * sizeof *x);
    f->n--;
}

static void add(struct net_flows *f, const struct net_flow *x)
{
    struct net_flow *old = find(f, &x->key);
    if (old)
        forget(f, old);
    if (f->n == NET_FLOWS_MAX)
        forget(f, &f->flow[0]);
    f->flow[f->n++] = *x;
    f->n_ended += x->ended;
}

/* A connection is there when both sides have said SYN, and is gone after a reset or when both have said FIN. */
void net_flows_see(struct net_flows *f, const uint8_t *frame, size_t bytes, bool from_guest)
{
    struct segment s;
    if (!read_segment(frame, bytes, from_guest, &s) || !(s.flags & (SYN | FIN | RST)))
        return;
    if ((s.flags & (SYN | ACK)) == (SYN | ACK))
        add(f, &s.flow);
    struct net_flow *x = find(f, &s.flow.key);
    if (!x || !(s.flags & (FIN | RST)))
        return;
    *(from_guest ? &x->guest_finished : &x->peer_finished) = true;
    if (s.flags & RST || (x->guest_finished && x->peer_finished))
        forget(f, x);
}

/* ---- segments of ours ---- */

static uint64_t sum_of(const uint8_t *bytes, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i + 2 <= n; i += 2)
        sum += be16_get(bytes + i);
    return sum;
}

static uint16_t checksum(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* From the peer to the guest: a TCP header without data. */
static size_t write_segment(const struct net_flow *x, uint8_t flags, uint32_t seq, uint8_t to[NET_FLOW_SEGMENT_MAX])
{
    const size_t header = x->key.v6 ? IPV6 : IPV4, address = x->key.v6 ? 16 : 4;
    uint8_t *ip = to + ETHERNET, *from = ip + header - 2 * address, *tcp = ip + header;
    memset(to, 0, NET_FLOW_SEGMENT_MAX);
    memcpy(to, x->guest_mac, 6);
    memcpy(to + 6, x->peer_mac, 6);
    be16_put(to + 12, x->key.v6 ? 0x86dd : 0x0800);
    memcpy(from, x->key.peer, address);
    memcpy(from + address, x->key.guest, address);
    if (x->key.v6) {
        memcpy(ip, (uint8_t[]){0x60, 0, 0, 0, 0, TCP, 6, 64}, 8);
    } else {
        memcpy(ip, (uint8_t[]){0x45, 0, 0, IPV4 + TCP, 0, 0, 0x40, 0, 64, 6}, 10);
        be16_put(ip + 10, checksum(sum_of(ip, IPV4)));
    }
    memcpy(tcp, x->key.peer_port, 2);
    memcpy(tcp + 2, x->key.guest_port, 2);
    be32_put(tcp + 4, seq);
    tcp[12] = TCP / 4 << 4;
    tcp[13] = flags;
    be16_put(tcp + 16, checksum(sum_of(from, 2 * address) + 6 + TCP + sum_of(tcp, TCP)));
    return ETHERNET + header + TCP;
}

size_t net_flow_ask(const struct net_flow *flow, uint8_t to[NET_FLOW_SEGMENT_MAX])
{
    return write_segment(flow, SYN, 0, to);
}

bool net_flows_ends(struct net_flows *f, const uint8_t *frame, size_t bytes, uint8_t reset[NET_FLOW_SEGMENT_MAX], size_t *n)
{
    struct segment s;
    *n = 0;
    if (!f->n_ended || !read_segment(frame, bytes, true, &s))
        return false;
    struct net_flow *x = find(f, &s.flow.key);
    if (!x || !x->ended)
        return false;
    bool anew = (s.flags & (SYN | ACK)) == SYN; /* the guest uses these ports for another one */
    if (!anew && s.flags & ACK && !(s.flags & RST))
        *n = write_segment(x, RST, s.ack, reset);
    if (anew || s.flags & RST)
        forget(f, x);
    return !anew;
}

/* ---- saved ---- */

void net_flow_save(const struct net_flow *flow, uint8_t to[NET_FLOW_BYTES])
{
    memcpy(to, flow->guest_mac, 6);
    memcpy(to + 6, flow->peer_mac, 6);
    memcpy(to + 12, flow->key.guest, 16);
    memcpy(to + 28, flow->key.peer, 16);
    memcpy(to + 44, flow->key.guest_port, 2);
    memcpy(to + 46, flow->key.peer_port, 2);
    to[48] = flow->key.v6;
}

bool net_flows_load(struct net_flows *f, const uint8_t *bytes, size_t n)
{
    struct net_flow x = {.ended = true};
    if (n != NET_FLOW_BYTES || bytes[48] > 1 || f->n == NET_FLOWS_MAX)
        return false;
    memcpy(x.guest_mac, bytes, 6);
    memcpy(x.peer_mac, bytes + 6, 6);
    memcpy(x.key.guest, bytes + 12, 16);
    memcpy(x.key.peer, bytes + 28, 16);
    memcpy(x.key.guest_port, bytes + 44, 2);
    memcpy(x.key.peer_port, bytes + 46, 2);
    x.key.v6 = bytes[48];
    add(f, &x);
    return true;
}
