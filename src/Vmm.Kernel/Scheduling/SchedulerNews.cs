namespace Vmm.Kernel;

/// <summary>Something that a scheduler is told.</summary>
internal readonly record struct SchedulerNews(ScheduleCall Call, PoolMember Member, long RanNanoseconds = 0)
{
    public void Tell(IVcpuScheduler scheduler)
    {
        VcpuId id = Member.Processor.Id;
        switch (Call)
        {
            case ScheduleCall.Add:
                scheduler.Add(id, Member.Weight);
                break;
            case ScheduleCall.Remove:
                scheduler.Remove(id);
                break;
            case ScheduleCall.Wake:
                scheduler.Wake(id);
                break;
            case ScheduleCall.Block:
                scheduler.Block(id);
                break;
            case ScheduleCall.Account:
                scheduler.Account(id, RanNanoseconds);
                break;
        }
    }
}

/// <summary>The calls of <see cref="IVcpuScheduler"/> that tell it something.</summary>
internal enum ScheduleCall
{
    Add,
    Remove,
    Wake,
    Block,
    Account,
}
