/* trend_chart - trends as a document of charts: a section a figure, a line a group. */
#ifndef ANALYZE_TREND_CHART_H
#define ANALYZE_TREND_CHART_H

#include "analyze/trend_print.h"
#include "base/document.h"

#define TREND_LINES_MAX 7 /* groups of a chart: as many as there are colours */

void trend_chart(const struct trend *t, const struct trend_print_options *o, struct document *ret);

#endif
