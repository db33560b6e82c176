/* Exports of providers, written by hand in each of their forms: what a row says, in our words. */
#include "config.h"

#include "analyze/invoice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/timestamp.h"
#include "tests/check_main.h"

static int read_text(const char *text, struct invoice *ret, struct err *err)
{
    char path[] = "/tmp/weir-invoice-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    int r = invoice_read(path, ret, err);
    unlink(path);
    return r;
}

/* "day model unit quantity cost tier", one for each line. */
static void describe(const struct invoice *v, struct buf *out)
{
    char number[DECIMAL_TEXT_BYTES], day[TIMESTAMP_TEXT_BYTES];

    for (size_t i = 0; i < v->lines.len; i++) {
        const struct invoice_line *l = &v->lines.ptr[i];
        buf_addf(out, "%s%s|%.*s|%s", i ? "\n" : "", timestamp_format_date(l->from_us, day),
                 STR_ARG(l->model), bill_unit_name(l->unit));
        buf_addf(out, "|%s",
                 l->has_quantity ? decimal_format(l->quantity_micro / 1000000, 0, number) : "-");
        buf_addf(out, "|%s", l->has_cost ? decimal_format(l->cost_pusd, 12, number) : "-");
        buf_addf(out, "|%.*s%s", STR_ARG(l->tier), l->long_context ? " long" : "");
    }
}

static const struct row {
    const char *text, *lines;
    enum invoice_format format;
} rows[] = {
    ROW("start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,"
        "project_id,organization_id,organization_name\n"
        "1759622400,1759708800,a,b,0.8958740000000000,usd,,,org-1,Mine\n"
        "1759708800,1759795200,a,b,,,,,,\n",
        "2025-10-05||all|-|0.895874000000|", INVOICE_OPENAI_COSTS),
    ROW("start_time\tend_time\tamount_value\tamount_currency\tline_item\n"
        "1759622400\t1759708800\t0.5\tusd\t\n",
        "2025-10-05||all|-|0.500000000000|", INVOICE_OPENAI_COSTS),
    ROW("start_time,end_time,amount_value,amount_currency,quantity,quantity_unit,line_item\n"
        "1759622400,1759708800,1.25,usd,500,1000_tokens,\"gpt-4o-2024-08-06, input\"\n"
        "1759622400,1759708800,0.25,usd,200000,tokens,\"gpt-4o-2024-08-06, cached input\"\n"
        "1759622400,1759708800,2,usd,200000,tokens,\"gpt-4o-2024-08-06, output, batch\"\n"
        "1759622400,1759708800,0.02,usd,2,,web search tool calls\n"
        "1759622400,1759708800,0.10,usd,1,gibibyte_hours,vector stores\n",
        "2025-10-05|gpt-4o-2024-08-06|input|500000|1.250000000000|\n"
        "2025-10-05|gpt-4o-2024-08-06|cached input|200000|0.250000000000|\n"
        "2025-10-05|gpt-4o-2024-08-06|output|200000|2.000000000000|batch\n"
        "2025-10-05||web searches|2|0.020000000000|\n"
        "2025-10-05||other|1|0.100000000000|",
        INVOICE_OPENAI_COSTS),
    ROW("{\"object\":\"page\",\"data\":[{\"object\":\"bucket\",\"start_time\":1759622400,"
        "\"end_time\":1759708800,\"results\":[{\"object\":\"organization.costs.result\",\"amount\":"
        "{\"value\":0.06,\"currency\":\"usd\"},\"line_item\":\"o3, output\",\"project_id\":null}]},"
        "{\"start_time\":1759708800,\"end_time\":1759795200,\"results\":[]}],\"has_more\":false}",
        "2025-10-05|o3|output|-|0.060000000000|", INVOICE_OPENAI_COSTS),
    ROW("start_time,end_time,num_model_requests,model,batch,service_tier,input_tokens,output_"
        "tokens,"
        "input_cached_tokens,input_audio_tokens,output_audio_tokens\n"
        "1759622400,1759708800,10.0,gpt-4o-2024-08-06,FALSE,default,59200.0,10646.0,5760.0,0.0,0."
        "0\n"
        "1759622400,1759708800,1,gpt-4o-audio,TRUE,default,100,50,0,40,30\n"
        "1759708800,1759795200,,,,,,,,,\n",
        "2025-10-05|gpt-4o-2024-08-06|input|53440|-|\n"
        "2025-10-05|gpt-4o-2024-08-06|cached input|5760|-|\n"
        "2025-10-05|gpt-4o-2024-08-06|output|10646|-|\n"
        "2025-10-05|gpt-4o-2024-08-06|requests|10|-|\n"
        "2025-10-05|gpt-4o-audio|input|60|-|batch\n"
        "2025-10-05|gpt-4o-audio|output|20|-|batch\n"
        "2025-10-05|gpt-4o-audio|audio input|40|-|batch\n"
        "2025-10-05|gpt-4o-audio|audio output|30|-|batch\n"
        "2025-10-05|gpt-4o-audio|requests|1|-|batch",
        INVOICE_OPENAI_USAGE),
    ROW("usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,"
        "list_price_usd,cost_type,inference_geo,speed\n"
        "2026-10-01,Claude Haiku 4.5,Default,k,message,\xe2\x89\xa4 200k,input_no_cache,0.12,0.15,"
        "tokens,global,standard\n"
        "2026-10-01,Claude Haiku 4.5,Default,k,batch,> 200k,output,1.00,1.00,tokens,us,standard\n"
        "2026-10-01,,Default,k,,,,0.03,0.03,web_search,,\n",
        "2026-10-01|Claude Haiku 4.5|input|-|0.120000000000|\n"
        "2026-10-01|Claude Haiku 4.5|output|-|1.000000000000|batch long\n"
        "2026-10-01||web searches|-|0.030000000000|",
        INVOICE_ANTHROPIC_COSTS),
    ROW("{\"data\":[{\"starting_at\":\"2026-10-01T00:00:00Z\",\"ending_at\":\"2026-10-02T00:00:"
        "00Z\","
        "\"results\":[{\"currency\":\"USD\",\"amount\":\"123.78912\",\"workspace_id\":null,"
        "\"description\":\"Claude Sonnet 4 Usage - Input Tokens\",\"cost_type\":\"tokens\","
        "\"context_window\":\"0-200k\",\"model\":\"claude-sonnet-4-20250514\",\"service_tier\":"
        "\"standard\",\"token_type\":\"cache_creation.ephemeral_1h_input_tokens\"}]}]}",
        "2026-10-01|claude-sonnet-4-20250514|cache write 1h|-|1.237891200000|",
        INVOICE_ANTHROPIC_COSTS),
    ROW("{\"data\":[{\"starting_at\":\"2026-10-01T00:00:00Z\",\"ending_at\":\"2026-10-02T00:00:"
        "00Z\","
        "\"results\":[{\"uncached_input_tokens\":1500,\"cache_creation\":{"
        "\"ephemeral_1h_input_tokens\":1000,\"ephemeral_5m_input_tokens\":500},"
        "\"cache_read_input_tokens\":200,\"output_tokens\":70,\"server_tool_use\":{"
        "\"web_search_requests\":10},\"model\":\"claude-opus-4-5\",\"service_tier\":\"batch\"}]}]}",
        "2026-10-01|claude-opus-4-5|input|1500|-|batch\n"
        "2026-10-01|claude-opus-4-5|cached input|200|-|batch\n"
        "2026-10-01|claude-opus-4-5|cache write 5m|500|-|batch\n"
        "2026-10-01|claude-opus-4-5|cache write 1h|1000|-|batch\n"
        "2026-10-01|claude-opus-4-5|output|70|-|batch\n"
        "2026-10-01|claude-opus-4-5|web searches|10|-|batch",
        INVOICE_ANTHROPIC_USAGE),
    ROW("usage_date_utc,model_version,api_key,workspace,usage_type,context_window,"
        "usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
        "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
        "web_search_count,inference_geo,speed\n"
        "2026-10-02,claude-haiku-4-5-20251001,k,Default,standard,<= "
        "200k,10,0,0,5,7,0,global,fast\n",
        "2026-10-02|claude-haiku-4-5-20251001|input|10|-|fast\n"
        "2026-10-02|claude-haiku-4-5-20251001|cached input|5|-|fast\n"
        "2026-10-02|claude-haiku-4-5-20251001|output|7|-|fast",
        INVOICE_ANTHROPIC_USAGE),
    ROW("line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,"
        "line_item_line_item_type,line_item_usage_type,line_item_usage_amount,pricing_unit,"
        "line_item_unblended_cost,line_item_currency_code\n"
        "2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,AmazonBedrock,Usage,"
        "USE1-Claude4.6Sonnet-input-tokens,1500,1K tokens,4.5,USD\n"
        "2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,x1y2,Usage,"
        "USE1-Claude4.6Sonnet-cache-read-input-token-count-batch,2,1M tokens,0.3,USD\n"
        "2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,AmazonEC2,Usage,BoxUsage,1,Hrs,9,USD\n"
        "2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,AmazonBedrock,Tax,,1,,1,USD\n",
        "2026-10-01|Claude4.6Sonnet|input|1500000|4.500000000000|\n"
        "2026-10-01|Claude4.6Sonnet|cached input|2000000|0.300000000000|batch",
        INVOICE_AWS_CUR),
    ROW("ChargePeriodStart,ChargePeriodEnd,ServiceCategory,ProviderName,ChargeCategory,x_model,"
        "SkuMeter,ConsumedQuantity,ConsumedUnit,BilledCost,ListCost,BillingCurrency\n"
        "2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,AI and Machine Learning,OpenAI,Usage,gpt-5,"
        "Input Tokens,1000,Tokens,0.00125,0.00125,USD\n"
        "2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,Compute,AWS,Usage,,,1,Hours,5,5,USD\n",
        "2026-10-01|gpt-5|input|1000|0.001250000000|", INVOICE_FOCUS),
};

START_TEST(each_export_is_read_into_lines)
{
    CLEANUP(invoice_release) struct invoice v = { 0 };
    CLEANUP(buf_release) struct buf lines = { 0 };
    struct err err = { 0 };

    ck_assert_msg(read_text(rows[_i].text, &v, &err) == 0, "%s", err.text);
    describe(&v, &lines);
    ck_assert_str_eq(buf_cstr(&lines), rows[_i].lines);
    ck_assert_int_eq(v.files.ptr[0].format, rows[_i].format);
}
END_TEST

static const struct bad_row {
    const char *text, *reason;
} bad_rows[] = {
    {"",                                                                        "empty"              },
    { "a,b\n1,2\n",                                                             "no invoice"         },
    { "PAR1\x15\x04\x15",                                                       "is Parquet"         },
    { "PK\x03\x04\x14",                                                         "spreadsheet"        },
    { "%PDF-1.7\n",                                                             "is a PDF"           },
    { "{\"a\":1}",                                                              "no invoice"         },
    { "{\"data\":[{\"start_time\":1759622400,\"results\":[{\"a\":1}]}]}",       "no invoice"         },
    { "{\"data\":[{\"start_time\":1759622400,\"results\":[",                    "ends early"         },
    { "usage_date_utc,cost_usd\nyesterday,1\n",                                 "is no time"         },
    { "usage_date_utc,cost_usd\n2026-10-01,x\n",                                "is no number"       },
    { "usage_date_utc,cost_usd\n2026-10-01,1,2\n",                              "3 fields"           },
    { "start_time,amount_value,amount_currency,line_item\n1759622400,1,eur,\n", "'eur'"              },
    { "start_time,num_model_requests,model,input_tokens,input_cached_tokens\n"
      "1759622400,1,m,5,6\n",                                              "more than the whole"},
    { "start_time,num_model_requests,model,input_tokens\n1759622400,-1,m,5\n",  "negative"           },
    { "start_time,end_time,amount_value,line_item\n1759622400,1759622400,1,\n", "not after"          },
};

START_TEST(a_bad_export_is_refused_with_its_reason)
{
    CLEANUP(invoice_release) struct invoice v = { 0 };
    struct err err = { 0 };

    ck_assert_int_eq(read_text(bad_rows[_i].text, &v, &err), -1);
    ck_assert_msg(strstr(err.text, bad_rows[_i].reason), "%s", err.text);
    ck_assert_uint_eq(v.lines.len, 0);
}
END_TEST

static const struct {
    const char *a, *b;
    bool same;
} names[] = {
    {"Claude Haiku 4.5",            "claude-haiku-4-5-20251001",                   true },
    { "Claude4.6Sonnet",            "claude-sonnet-4-6",                           true },
    { "Claude Haiku 4.5",           "us.anthropic.claude-haiku-4-5-20251001-v1:0", true },
    { "gpt-4o",                     "gpt-4o-2024-08-06",                           true },
    { "gpt-4o",                     "gpt-4o-mini",                                 false},
    { "claude-opus-4-1",            "claude-opus-4",                               false},
    { "models/gemini-2.5-pro",      "gemini-2.5-pro",                              true },
    { "claude-sonnet-4-5@20250929", "Claude Sonnet 4.5",                           true },
};

START_TEST(names_of_one_model_have_one_key)
{
    CLEANUP(buf_release) struct buf a = { 0 }, b = { 0 };

    invoice_model_key(str_from(names[_i].a), &a);
    invoice_model_key(str_from(names[_i].b), &b);
    ck_assert_msg(str_eq(buf_str(&a), buf_str(&b)) == names[_i].same, "%s %s", buf_cstr(&a),
                  buf_cstr(&b));
}
END_TEST

START_TEST(a_bad_file_takes_nothing_away_from_a_good_one)
{
    CLEANUP(invoice_release) struct invoice v = { 0 };
    struct err err = { 0 };

    ck_assert_int_eq(read_text(rows[0].text, &v, &err), 0);
    ck_assert_int_eq(read_text("usage_date_utc,cost_usd\n2026-10-01,1\nx,1\n", &v, &err), -1);
    ck_assert_uint_eq(v.lines.len, 1);
    ck_assert_uint_eq(v.files.len, 1);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, each_export_is_read_into_lines, 0, ARRAY_LEN(rows));
    tcase_add_loop_test(tc, a_bad_export_is_refused_with_its_reason, 0, ARRAY_LEN(bad_rows));
    tcase_add_loop_test(tc, names_of_one_model_have_one_key, 0, ARRAY_LEN(names));
    tcase_add_test(tc, a_bad_file_takes_nothing_away_from_a_good_one);
}
CHECK_MAIN("analyze/invoice", add_tests)
