/* TODO later */
struct a; 

