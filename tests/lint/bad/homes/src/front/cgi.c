#include <sys/soundcard.h>
