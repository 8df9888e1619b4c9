#include <curl/curl.h>
#include <stdio.h>
