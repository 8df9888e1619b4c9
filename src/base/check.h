/* check: the attributes every header uses. */
#ifndef POSTERN_BASE_CHECK_H
#define POSTERN_BASE_CHECK_H

#define MUST_CHECK	       __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
