# A drill's JSON, of which `fidelity` has a metric live and simulated: a table, and failure where the
# two differ by more than 1 percentage point of success, 2 % of attempts for each call, `latency` % of
# the p95 of what calls take and of the time until they go well again, or, with `both`, where only one
# of the two has a time to failover.
/"fidelity":\[/ {
    sub(/.*"fidelity":\[/, "")
    sub(/\].*/, "")
    gsub(/[{"]/, "")
    rows = split($0, row, /},?/)
    for (r = 1; r < rows; r++) {
        split("", v)
        n = split(row[r], member, ",")
        for (i = 1; i <= n; i++) { split(member[i], pair, ":"); v[pair[1]] = pair[2] }
        printf "  %-12s live %10s  simulated %10s  difference %8s\n", v["metric"], v["live"], v["simulated"], v["difference"]
        by = v["difference"] < 0 ? -v["difference"] : v["difference"]
        limit = v["metric"] == "success" ? 1 : v["metric"] == "attempts" ? 2 : v["metric"] == "p95 total" || v["metric"] == "restored" ? latency : 1e9
        seen += limit < 1e9
        if (by > limit) { print "  ^ more than " limit; bad = 1 }
        if (both && v["metric"] == "failover" && (v["live"] == "") != (v["simulated"] == "")) { print "  ^ not both"; bad = 1 }
    }
}
END { exit bad || seen < 3 }
