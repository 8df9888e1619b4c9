/* clock: the two clocks. Only edge code asks them; pure code gets `now` as an argument. */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds on a clock that never goes back; its zero means nothing. */
int64_t clock_mono_ms(void);

/* Milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);

#endif
