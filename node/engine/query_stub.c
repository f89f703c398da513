#include "node/engine/queries.h"
void query_show(struct engine *engine, struct request *request)
{
    (void) engine;
    request_finish(request, 1, NULL, "no");
}
