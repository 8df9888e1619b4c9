#include <stdlib.h>

long
num(const char *s)
{
	return strtol(s, NULL, 10);
}
