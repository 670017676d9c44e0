/*
 * pome/devices.h - the devices that connect a machine with its surroundings.
 *
 * They are added to a configuration; the machine made of it has them. A configuration is not thread-safe: one thread at a time.
 */
#ifndef POME_DEVICES_H
#define POME_DEVICES_H

#include <pome/config.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- networks -------------------------------------------------------------------------------------------------------- */

enum pome_network_kind {
    /* A network of the machine's own, with address translation by this process; no privileges are needed. The guest gets 10.0.2.15 by
     * DHCP, 10.0.2.2 is the way out and the host itself, 10.0.2.3 answers for names. Like: VZNATNetworkDeviceAttachment. */
    POME_NETWORK_NAT = 0,
    /* Ethernet frames through a descriptor: a connected datagram socket (one frame each), a stream socket (each frame after its length,
     * 4 bytes, big-endian: passt, socket_vmnet), or a tap device. Like: VZFileHandleNetworkDeviceAttachment. */
    POME_NETWORK_FD = 1,
    /* The same, by the path of a datagram socket of the Unix domain (gvproxy, vmnet-helper). */
    POME_NETWORK_SOCKET = 2,
};

/* What a guest with POME_NETWORK_NAT may reach. */
enum pome_network_isolation {
    POME_NETWORK_OPEN = 0,     /* what this user reaches; the host's loopback as 10.0.2.2 */
    POME_NETWORK_NO_HOST = 1,  /* but not the host's loopback */
    POME_NETWORK_ISOLATED = 2, /* nothing; TCP ports that are forwarded to it work */
};

struct pome_network_options {
    size_t size; /* of this struct: POME_NETWORK_OPTIONS_INIT */
    enum pome_network_kind kind;
    const char *mac_address; /* "06:e8:a3:b0:23:b4", unicast; NULL: a random one, locally administered */
    unsigned mtu;            /* 1500..65535: largest IP packet; 0: as the kind likes it (POME_NETWORK_NAT: 16384, and never more; others: 1500) */
    enum pome_network_isolation isolation; /* of POME_NETWORK_NAT */
    int fd;                                /* of POME_NETWORK_FD; duplicated when the machine is made, stays the caller's */
    const char *path;                      /* of POME_NETWORK_SOCKET */
};
#define POME_NETWORK_OPTIONS_INIT {sizeof(struct pome_network_options), POME_NETWORK_NAT, NULL, 0, POME_NETWORK_OPEN, -1, NULL}

/* Adds a virtio network device. options: copied. A saved machine that is restored finds the network new: its connections through
 * POME_NETWORK_NAT are reset.
 * Errors: INVALID_CONFIGURATION (a fifth one; an address or number that cannot be). What cannot be connected, and ports in use, are told by
 * pome_vm_new(): NOT_FOUND, BUSY, PERMISSION, NETWORK.
 * Like:   VZVirtioNetworkDeviceConfiguration.   Since: 0.2. */
POME_API bool pome_config_add_network(pome_config *config, const struct pome_network_options *options, struct pome_error *err);

struct pome_forward_options {
    size_t size; /* of this struct: POME_FORWARD_OPTIONS_INIT */
    bool udp;    /* else TCP */
    const char *host_address; /* of the host, IPv4 or IPv6; NULL: 127.0.0.1, so that only this host can connect */
    unsigned host_port, guest_port; /* 1..65535 */
};
#define POME_FORWARD_OPTIONS_INIT {sizeof(struct pome_forward_options), false, NULL, 0, 0}

/* Forwards a port of the host to the guest, through its first network of kind POME_NETWORK_NAT (which may be added later). options: copied.
 * Errors: INVALID_CONFIGURATION (more than 16; an address or number that cannot be). pome_vm_new() fails with INVALID_CONFIGURATION without
 * such a network, with NOT_SUPPORTED for UDP into an isolated one.
 * Like:   vmnet's port forwarding rules of VZVmnetNetworkDeviceAttachment.   Since: 0.2. */
POME_API bool pome_config_add_forward(pome_config *config, const struct pome_forward_options *options, struct pome_error *err);

/* --- sockets --------------------------------------------------------------------------------------------------------- */

/* Adds the virtio socket device (Linux's AF_VSOCK): see pome/socket.h. path: where other programs of the host find it, a unix socket of at most 95
 * bytes that is made with mode 0600 when the machine is, and removed with it; NULL: only through pome/socket.h. Copied.
 * Errors: INVALID_CONFIGURATION (a second one; a path too long). pome_vm_new() fails with BUSY when another machine's socket is there.
 * Like:   VZVirtioSocketDeviceConfiguration.   Since: 0.2. */
POME_API bool pome_config_add_sockets(pome_config *config, const char *path, struct pome_error *err);

/* --- consoles -------------------------------------------------------------------------------------------------------- */

struct pome_console_port_options {
    size_t size;             /* of this struct: POME_CONSOLE_PORT_OPTIONS_INIT */
    const char *name;        /* 1 to 40 letters, digits, ".", "-", "_": what programs of the guest find the port by (/dev/virtio-ports/NAME); NULL: a terminal, hvc0, hvc1, ... */
    int in_fd, out_fd;       /* what the guest reads, and where it writes; -1: none. They stay the caller's, open as long as the machine exists */
    const char *socket_path; /* instead: a unix socket to which one program at a time connects, made with mode 0600 with the machine, removed with it; at most 107 bytes */
    const char *file_path;   /* instead of out_fd: a file to which is appended */
};
#define POME_CONSOLE_PORT_OPTIONS_INIT {sizeof(struct pome_console_port_options), NULL, -1, -1, NULL, NULL}

/* Adds a port to the machine's virtio console device. options: copied. While nobody is connected to its socket, a program of the guest that writes to a named port
 * waits; what is said on a terminal is lost.
 * Errors: INVALID_CONFIGURATION (a fifteenth one; a name or path that cannot be; a name that there is already). pome_vm_new() fails with BUSY when another machine's socket is
 * there, with the host's error when the file cannot be opened.
 * Like:   VZVirtioConsolePortConfiguration, VZVirtioConsoleDeviceSerialPortConfiguration.   Since: 0.2. */
POME_API bool pome_config_add_console_port(pome_config *config, const struct pome_console_port_options *options, struct pome_error *err);

/* --- shared folders -------------------------------------------------------------------------------------------------- */

struct pome_share_options {
    size_t size;      /* of this struct: POME_SHARE_OPTIONS_INIT */
    const char *tag;  /* 1 to 35 bytes: what the guest mounts it by (mount -t virtiofs TAG FOLDER) */
    const char *path; /* a folder of the host */
    bool writable;    /* else the guest can read it only */
};
#define POME_SHARE_OPTIONS_INIT {sizeof(struct pome_share_options), NULL, NULL, false}

/* Adds a virtio file system device with a folder of the host. options: copied. The guest reaches what is in the folder, and nothing else: no way by "..", by
 * symbolic links, or by devices, and it makes no devices and no set-user-ID files. Without root's rights this user's files are root's in the guest. A saved machine
 * that is restored has to mount again.
 * Errors: INVALID_CONFIGURATION (a seventh one; a tag that there is already, or that is too long). pome_vm_new() fails with NOT_FOUND, PERMISSION,
 * INVALID_CONFIGURATION (no folder).
 * Like:   VZVirtioFileSystemDeviceConfiguration with VZSingleDirectoryShare.   Since: 0.2. */
POME_API bool pome_config_add_share(pome_config *config, const struct pome_share_options *options, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
