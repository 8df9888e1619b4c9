#include "policy/conf.h"
