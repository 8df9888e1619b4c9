/* notify: tells a service manager how the program is doing, by sd_notify(3)'s protocol, which is a
 * datagram to the socket that NOTIFY_SOCKET names. Without such a variable nothing is told. */
#ifndef POSTERN_NOTIFY_H
#define POSTERN_NOTIFY_H

#include <stdint.h>

/* Sends a state: "READY=1", "STOPPING=1", "WATCHDOG=1". What cannot be sent is lost. */
void notify_send(const char *state);

/* Sends that a reload has begun, which a later "READY=1" ends. */
void notify_reloading(void);

/* How often this process is to say WATCHDOG=1, in milliseconds: twice as often as the manager wants
 * to hear it (WATCHDOG_USEC, WATCHDOG_PID). -1: never. */
int64_t notify_watchdog_ms(void);

#endif
