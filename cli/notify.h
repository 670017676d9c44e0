/* notify.h - tells the service manager, if one started us, how it goes: sd_notify(3), which is one datagram. */
#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

/* "READY=1\nSTATUS=...". Does nothing without $NOTIFY_SOCKET. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
